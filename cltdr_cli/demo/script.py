"""Draws the script of a video from its seed: who does what and when, where they walk, how they look.

A script is plain data. Appearance and place do not depend on the labels, and the lengths of all actions come from one
distribution, so that only the motion itself gives a label away.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cltdr_cli.demo.actions import LABELS, LONGEST_SECONDS, SHORTEST_SECONDS, Style, draw_style
from cltdr_cli.demo.figure import Build
from cltdr_cli.demo.scene import Colour, Scene, draw_colour, draw_scene

SPLITS = ("train", "validation", "test")
WIDTH, HEIGHT = 320, 240
LABEL_IDS = {label: index for index, label in enumerate(LABELS)}


@dataclass(frozen=True)
class Act:
    """One performed action, from ``start_seconds`` to ``end_seconds``."""

    label: str
    start_seconds: float
    end_seconds: float
    style: Style


@dataclass(frozen=True)
class Walk:
    """A walk from one column to another, both in pixels."""

    start_seconds: float
    end_seconds: float
    from_x: float
    to_x: float


@dataclass(frozen=True)
class Fidget:
    """A small motion that is no action; its kind is ``look``, ``touch``, ``lean`` or ``dip``."""

    kind: str
    start_seconds: float
    end_seconds: float
    side: str
    amount: float


@dataclass(frozen=True)
class Look:
    """Colours and proportions of one figure."""

    build: Build
    skin: Colour
    hair: Colour
    shirt: Colour
    sleeve: Colour
    trousers: Colour
    shoes: Colour
    badge: Colour


@dataclass(frozen=True)
class Performer:
    """One figure and everything it does.

    Attributes:
        look: Its appearance.
        height_pixels: Height from the ground to the crown.
        ground_y: Row of the ground below it.
        start_x: Column where it stands at first.
        facings: ``(seconds, yaw in radians)``; between two of them it turns.
        acts: Its actions, in order, never overlapping.
        walks: Its walks, between the acts.
        fidgets: Its small motions, between the acts.
        habit_seed: Seed of its breathing and swaying.
    """

    look: Look
    height_pixels: float
    ground_y: float
    start_x: float
    facings: tuple[tuple[float, float], ...]
    acts: tuple[Act, ...]
    walks: tuple[Walk, ...]
    fidgets: tuple[Fidget, ...]
    habit_seed: int


@dataclass(frozen=True)
class VideoScript:
    """Everything about one video; the same script gives the same frames.

    Attributes:
        video_id: Name of the file, without suffix.
        split: ``train``, ``validation`` or ``test``.
        rate: Frames per second.
        frame_count: Length.
        scene: Background, light, camera and distractors.
        performers: One or two.
        crf: Compression of the encoder; larger is coarser.
    """

    video_id: str
    split: str
    rate: Fraction
    frame_count: int
    scene: Scene
    performers: tuple[Performer, ...]
    crf: int

    @property
    def duration_seconds(self) -> float:
        """End of the last frame."""
        return float(self.frame_count / self.rate)

    def list_acts(self) -> list[Act]:
        """The actions of all performers, by start."""
        return sorted((act for one in self.performers for act in one.acts), key=lambda act: act.start_seconds)


@dataclass(frozen=True)
class Place:
    """Where a performer may be, in pixels: leftmost and rightmost column, height of the figure, row of the ground."""

    left: float
    right: float
    height_pixels: float
    ground_y: float


def draw_script(split: str, seed: int, index: int, duration_seconds: float | None = None) -> VideoScript:
    """Draw the script of one video of a world.

    Args:
        split: One of ``SPLITS``; the same seed gives other videos in another split.
        seed: Seed of the world, not negative.
        index: Index of the video in the world.
        duration_seconds: Length of the video; None draws one from 20 to 60 seconds.
    """
    timing, acting, seeing = (
        np.random.default_rng(part) for part in np.random.SeedSequence((SPLITS.index(split), seed, index)).spawn(3)
    )
    rate = Fraction(int(timing.choice((25, 30))))
    duration = float(timing.uniform(20, 60)) if duration_seconds is None else duration_seconds
    frame_count = round(duration * rate)
    scene = draw_scene(seeing, WIDTH, HEIGHT)
    performers: list[Performer] = []
    for place in _draw_places(seeing):
        others = [act for one in performers for act in one.acts]
        part = _Part(acting, float(frame_count / rate), place, others, sparse=bool(performers))
        performers.append(part.play(_draw_look(seeing, scene.figure_contrast), int(acting.integers(2**31))))
    crf = int(seeing.integers(22, 36))
    return VideoScript(f"demo-{split}-{seed}-{index:04d}", split, rate, frame_count, scene, tuple(performers), crf)


def _draw_places(rng: np.random.Generator) -> list[Place]:
    """One place over the whole width, or one on each side."""
    if rng.random() < 0.75:
        share = float(rng.uniform(0.35, 0.85))
        margin = min(150.0, 0.3 * share * HEIGHT + 20)
        return [Place(margin, WIDTH - margin, share * HEIGHT, _draw_ground(rng, share))]
    places: list[Place] = []
    for left, right in ((45.0, 125.0), (195.0, 275.0)):
        share = float(rng.uniform(0.35, 0.65))
        places.append(Place(left, right, share * HEIGHT, _draw_ground(rng, share)))
    return places if rng.random() < 0.5 else places[::-1]


def _draw_ground(rng: np.random.Generator, share: float) -> float:
    return HEIGHT * float(rng.uniform(max(0.72, min(0.96, share + 0.2)), 0.97))


def _draw_look(rng: np.random.Generator, backdrop: Colour) -> Look:
    """Draw the look of a figure, in clothes that stand out a little from the wall."""
    build = Build(
        leg=float(rng.uniform(0.44, 0.5)),
        torso=float(rng.uniform(0.27, 0.32)),
        arm=float(rng.uniform(0.31, 0.36)),
        shoulder_half=float(rng.uniform(0.105, 0.135)),
        hip_half=float(rng.uniform(0.055, 0.072)),
        head_radius=float(rng.uniform(0.064, 0.085)),
        thickness=float(rng.uniform(0.85, 1.25)),
    )
    skin = np.array([236, 190, 160]) * rng.uniform(0.4, 1.03) * rng.uniform(0.95, 1.05, 3)
    tone = (float(skin[0]), float(skin[1]), float(skin[2]))
    shirt, trousers = draw_colour(rng, backdrop), draw_colour(rng, backdrop)
    sleeve = shirt if rng.random() < 0.6 else tone
    hair, shoes, badge = draw_colour(rng), draw_colour(rng), draw_colour(rng, shirt)
    return Look(build, tone, hair, shirt, sleeve, trousers, shoes, badge)


class _Part:
    """Draws what one performer does, moment by moment, from the start of the video to its end."""

    def __init__(
        self, rng: np.random.Generator, duration: float, place: Place, others: list[Act], sparse: bool
    ) -> None:
        self.rng, self.duration, self.place, self.others, self.sparse = rng, duration, place, others, sparse
        self.now = 0.0
        self.x = self.start_x = float(rng.uniform(place.left, place.right))
        self.yaw = self._draw_yaw()
        self.facings = [(0.0, self.yaw)]
        self.acts: list[Act] = []
        self.walks: list[Walk] = []
        self.fidgets: list[Fidget] = []

    def play(self, look: Look, habit_seed: int) -> Performer:
        """Draw everything up to the end of the video."""
        self._pass_time(0.4, 2.0)
        while True:
            if self.rng.random() < 0.45:
                self._walk()
            length = float(np.exp(self.rng.uniform(np.log(SHORTEST_SECONDS), np.log(LONGEST_SECONDS))))
            if self.now + length + 0.8 > self.duration:
                break
            self._act(length)
            self._pass_time(*((2.0, 9.0) if self.sparse else (0.8, 3.2)))
        self._pass_time(left := max(0.0, self.duration - self.now), left)
        return Performer(
            look,
            self.place.height_pixels,
            self.place.ground_y,
            self.start_x,
            tuple(self.facings),
            tuple(self.acts),
            tuple(self.walks),
            tuple(self.fidgets),
            habit_seed,
        )

    def _draw_yaw(self) -> float:
        return float(self.rng.uniform(0.2, 0.95) * self.rng.choice((-1, 1)))

    def _turn_to(self, yaw: float) -> None:
        """Turn on the spot, with a short rest before and after."""
        seconds = 0.25 + 0.25 * abs(yaw - self.yaw)
        self.facings += [(self.now + 0.15, self.yaw), (self.now + 0.15 + seconds, yaw)]
        self.yaw = yaw
        self.now += 0.3 + seconds

    def _act(self, length: float) -> None:
        start, end = round(self.now, 3), round(self.now + length, 3)
        taken = {act.label for act in self.others if act.start_seconds < end + 0.5 and act.end_seconds > start - 0.5}
        free = [label for label in LABELS if label not in taken]
        label = free[int(self.rng.integers(len(free)))]
        self.acts.append(Act(label, start, end, draw_style(self.rng, label, length)))
        self.now = end

    def _pass_time(self, shortest: float, longest: float) -> None:
        """Stand idle for a while; a small motion or a turn may come in."""
        length = float(self.rng.uniform(shortest, longest))
        if length > 1.6 and self.now + length + 1.0 < self.duration and self.rng.random() < 0.4:
            self._turn_to(self._draw_yaw())
        if length > 0.9 and self.rng.random() < 0.6:
            seconds = min(float(self.rng.uniform(0.5, 1.5)), length - 0.3)
            self._fidget(self.now + float(self.rng.uniform(0.1, length - seconds - 0.1)), seconds)
        self.now += length

    def _fidget(self, start: float, seconds: float) -> None:
        kind = str(self.rng.choice(("look", "touch", "lean", "dip")))
        side = str(self.rng.choice(("left", "right")))
        self.fidgets.append(Fidget(kind, start, start + seconds, side, float(self.rng.uniform(0.5, 1.0))))

    def _walk(self) -> None:
        """Turn to the side, walk to another column and turn to the front again, if there is time and room."""
        to_x = float(self.rng.uniform(self.place.left, self.place.right))
        speed = self.place.height_pixels * float(self.rng.uniform(0.5, 0.85))
        seconds = abs(to_x - self.x) / speed
        if seconds < 0.6 or self.now + seconds + 3.0 > self.duration:
            return
        self._turn_to(float(np.sign(to_x - self.x) * self.rng.uniform(1.15, 1.6)))
        self.walks.append(Walk(self.now, self.now + seconds, self.x, to_x))
        self.x, self.now = to_x, self.now + seconds
        self._turn_to(self._draw_yaw())
        self.now += float(self.rng.uniform(0.2, 0.5))
