"""Learning from video labels alone, measured: real THUMOS14 annotations, features that show them under noise.

    python examples/weak_learning.py thumos14.json --out weak
    python examples/weak_learning.py thumos14.json --out weak --ablations --signal 1.6
    python examples/weak_learning.py thumos14.json --out weak --windows
    python examples/weak_learning.py thumos14.json --out weak --bridge
    python examples/weak_learning.py thumos14.json --out weak --table

For every world of features (signal and seed): HAM-Net, CO2-Net, and our reconstruction of DFE (ICASSP 2023; its code
was never published and only its abstract is known) with and without its global part, trained and scored. Two levels of
chance stand beside them: windows of the mean length all over each test video, with its true labels; and the trained
weights on features that show other videos. Each result is a file; those that are there are not computed again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cltdr_cli import Detector
from real_annotations import choose_videos, keep_classes
from weak_learners import (
    ABLATIONS,
    LEARNERS,
    WINDOWED,
    Learner,
    learn,
    learn_supervised,
    score,
    score_file,
    score_with_teacher,
)
from weak_table import print_tables
from weak_world import LONGEST_STEPS, WINDOWS, World

SIGNALS, SEEDS = (1.2, 1.6, 2.0), (0, 1, 2)

FEW_CLASSES = ["BaseballPitch", "CricketBowling", "Diving", "ThrowDiscus", "VolleyballSpiking"]
"""With these each class has about ten of the 48 training videos, as in the whole data set; with all 20 it has two."""

SAMPLED_STEPS = 128
"""Of a video in each iteration: all of it for three in ten of these videos; 288 are for 85 %, as 500 in THUMOS14."""

BRIDGE_SCORE = 1.0
"""From which detections count as pseudo labels: chosen by their number, some per minute, and not by what is true."""


@dataclass(frozen=True)
class Place:
    """Everything of one world of features.

    Attributes:
        root: Folder of all results.
        database: The videos.
        truth: Their annotation.
        world: How features are made.
        iterations: Of a weak training.
        sampled_steps: That it takes of a video in each.
    """

    root: Path
    database: dict[str, dict]
    truth: Path
    world: World
    iterations: int
    sampled_steps: int

    @property
    def name(self) -> str:
        """Of its folders."""
        return f"{self.world.signal:g}-{self.world.seed}"

    def features(self, of_others: bool = False) -> Path:
        """Folder of features, drawn where they are not there."""
        folder = self.root / "features" / (self.name + ("-others" if of_others else ""))
        return folder if folder.exists() else self.world.draw(self.database, folder, of_others)

    def run(self, name: str) -> Path:
        """Folder of a training."""
        return self.root / "runs" / f"{self.name} {name}"

    def measure(self, name: str, make: Callable[[], dict]) -> None:
        """Compute a result, if it is not there."""
        path = self.root / "results" / f"{self.name} {name}.json"
        if path.exists():
            return
        begin = time.monotonic()
        found = {"signal": self.world.signal, "seed": self.world.seed, "name": name, **make()}
        path.write_text(json.dumps({**found, "seconds": round(time.monotonic() - begin, 1)}, indent=1))
        print(f"{self.name} {name}: " + ", ".join(f"{k} {v['average']:.3f}" for k, v in found.items() if _is_score(v)))


def main() -> None:
    """Compute what is asked for and not there yet; then print the tables."""
    given = _parse_arguments()
    database = json.loads(given.annotations.read_text())["database"]
    if given.classes == "few":
        database = keep_classes(database, FEW_CLASSES)
    database = choose_videos(database, WINDOWS, LONGEST_STEPS)
    usual = given.sampled_steps == SAMPLED_STEPS
    root = given.out / (given.classes if usual else f"{given.classes}-{given.sampled_steps}")
    (root / "results").mkdir(parents=True, exist_ok=True)
    truth = root / "truth.json"
    truth.write_text(json.dumps({"database": database}))
    for signal, seed in [] if given.table else [(signal, seed) for seed in given.seed for signal in given.signal]:
        place = Place(root, database, truth, World(signal, seed), given.iterations, given.sampled_steps)
        place.measure("chance", lambda place=place: {"windows": guess_windows(place)})
        for learner in ABLATIONS if given.ablations else WINDOWED if given.windows else LEARNERS:
            place.measure(learner.name, lambda place=place, learner=learner: learn_and_score(place, learner))
        if given.bridge:
            bridge(place)
    print_tables(root / "results")


def learn_and_score(place: Place, learner: Learner) -> dict[str, dict[str, float]]:
    """Train; score on the test videos, on features of others, and with the global branch where there is one."""
    run = place.run(learner.name)
    lengths = (f"training.iterations={place.iterations}", f"training.sampled_steps={place.sampled_steps}")
    last = learn(learner, place.truth, place.features(), run, place.world.seed, lengths)
    found = {
        "test": score(place.truth, last, place.features()),
        "others": score(place.truth, last, place.features(of_others=True)),
    }
    if learner.has_teacher:
        found["teacher"] = score_with_teacher(place.truth, place.database, run, place.features())
    return found


def guess_windows(place: Place) -> dict[str, float]:
    """Windows of the mean length of training instances, each half overlapping the next, for the true labels."""
    videos = place.database.values()
    lengths = [np.diff(i["segment"])[0] for v in videos if v["subset"] == "Validation" for i in v["annotations"]]
    length, results = float(np.mean(lengths)), dict[str, list[dict]]()
    for name, video in place.database.items():
        if video["subset"] == "Test":
            starts = np.arange(0, max(video["duration"] - length, 0) + 1e-9, length / 2).tolist()
            labels = sorted({item["label"] for item in video["annotations"]})
            results[name] = [
                {"label": label, "segment": [start, start + length], "score": 1.0}
                for label in labels
                for start in starts
            ]
    path = place.root / "windows.json"
    path.write_text(json.dumps({"results": results}))
    return score_file(place.truth, path)


def bridge(place: Place) -> None:
    """Train a supervised detector on the detections of weak ones in the training videos, and on the true segments."""
    seed, features = place.world.seed, place.features()

    def learn_from(pseudo: tuple[Path, float] | None, name: str) -> dict:
        last = learn_supervised(place.truth, features, place.run(name), seed, pseudo)
        return {"test": score(place.truth, last, features)}

    place.measure("supervised on true segments", lambda: learn_from(None, "supervised on true segments"))
    for teacher in ("CO2-Net", "DFE"):
        found = place.root / f"{place.name} {teacher} pseudo.json"
        if not found.exists():
            detect_in_training_videos(place, place.run(teacher) / "last.safetensors", found)
        name = f"supervised on detections of {teacher}"
        place.measure(name, lambda found=found, name=name: learn_from((found, BRIDGE_SCORE), name))


def detect_in_training_videos(place: Place, checkpoint: Path, out: Path) -> None:
    """Write the detections of a model in the videos that it learned from."""
    detector, results = Detector.load(checkpoint=checkpoint, device="cpu"), dict[str, list[dict]]()
    for name, video in place.database.items():
        if video["subset"] == "Validation":
            path = place.features() / f"{name}.npy"
            found = detector.detect(path, fps=WINDOWS.rate, duration=video["duration"])
            results[name] = [{"label": s.label, "segment": [s.start, s.end], "score": s.score} for s in found]
    out.write_text(json.dumps({"results": results}))


def _is_score(value: object) -> bool:
    return isinstance(value, dict) and "average" in value


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("annotations", type=Path, help="thumos14.json in ActivityNet layout")
    parser.add_argument("--out", type=Path, default=Path("weak"), help="folder for features, runs and results")
    parser.add_argument("--signal", type=float, nargs="+", default=SIGNALS, help="strength of actions; noise is 1")
    parser.add_argument("--seed", type=int, nargs="+", default=SEEDS, help="of worlds and trainings")
    parser.add_argument("--classes", choices=("few", "all"), default="few", help="five classes of THUMOS14, or all 20")
    parser.add_argument("--iterations", type=int, default=500, help="of each weak training")
    parser.add_argument("--sampled-steps", type=int, default=SAMPLED_STEPS, help="of a video in each iteration")
    parser.add_argument("--ablations", action="store_true", help="variants of our reconstruction of DFE instead")
    parser.add_argument("--windows", action="store_true", help="trainings on steps in a row instead")
    parser.add_argument("--bridge", action="store_true", help="supervised training on weak detections, too")
    parser.add_argument("--table", action="store_true", help="only print the tables of what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
