"""From nothing to both demo weights and their measured results, stage by stage; what is finished is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.demo.bundle import (
    EXTRACTOR,
    LOCALIZER,
    bundled_file,
    extractor_facts,
    manifest_entries,
    save_extractor,
)
from cltdr_cli.demo.report import page
from cltdr_cli.demo.world import ANNOTATIONS_FILE, make_world
from cltdr_cli.errors import CltdrError
from cltdr_cli.files import write_text

if TYPE_CHECKING:
    from cltdr_cli.data.annotations import Annotations
    from cltdr_cli.demo.snippets import Footage

Tell = Callable[[str], object]
"""Called with a line about what is being done."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "full": (),
    "decoupling off": ("model.cls_neighbors=none", "model.reg_neighbors=none"),
    "refinement off": ("model.refine=none",),
    "GMG: local and global only": ("model.gmg_branches=[local, global]",),
    "GMG: instant and global only": ("model.gmg_branches=[instant, global]",),
    "GMG: instant and local only": ("model.gmg_branches=[instant, local]",),
}
"""What is switched off in each row of the ablation table."""


@dataclass(frozen=True)
class BuildPlan:
    """The numbers of a build; together with the versions they decide the result.

    Attributes:
        seed: Of the worlds.
        train_videos: For the localizer.
        validation_videos: What choices are made by.
        test_videos: Looked at once, at the end.
        extractor_videos: The first of the training videos, for the extractor.
        extractor_steps: Optimiser steps of the extractor.
        extractor_seed: Of its weights and snippets.
        localizer_seeds: Of the shipped localizer first; the ablations use all.
        workers: Processes that draw, decode and extract.
        localizer_settings: Values of the preset to change, ``key=value``.
    """

    seed: int = 1
    train_videos: int = 250
    validation_videos: int = 40
    test_videos: int = 60
    extractor_videos: int = 200
    extractor_steps: int = 7000
    extractor_seed: int = 1
    localizer_seeds: tuple[int, ...] = (1, 2, 3)
    workers: int = 2
    localizer_settings: tuple[str, ...] = ()

    def videos(self) -> dict[str, int]:
        """How many of each split."""
        return {"train": self.train_videos, "validation": self.validation_videos, "test": self.test_videos}


@dataclass
class Build:
    """A folder in which both weights are made.

    Attributes:
        folder: Holds ``world``, ``frames``, ``extractor``, ``features``, ``runs`` and the results.
        plan: The numbers.
        tell: Told of every stage.
    """

    folder: Path
    plan: BuildPlan = field(default_factory=BuildPlan)
    tell: Tell = lambda _: None

    @property
    def world(self) -> Path:
        """Videos and annotations of all splits."""
        return self.folder / "world"

    @property
    def features(self) -> Path:
        """Features of all videos."""
        return self.folder / "features"

    @cached_property
    def annotations(self) -> Annotations:
        """Of all splits."""
        from cltdr_cli.data.annotation_layouts import read_annotations

        return read_annotations(self.world / ANNOTATIONS_FILE)

    def run(self, *, ablations: bool = False) -> dict[str, Any]:
        """All stages; the results as they are written to ``results.json``.

        Raises:
            CltdrError: A stage failed.
        """
        self.draw()
        self.make_extractor()
        self.extract()
        results = self.measure(VARIANTS if ablations else {"full": ()})
        self.finish(results)
        return results

    def draw(self) -> None:
        """The three worlds."""
        for split, videos in self.plan.videos().items():
            self.tell(f"drawing {videos} videos of the {split} split")
            make_world(self.world, videos, self.plan.seed, split, self.plan.workers)

    def make_extractor(self) -> None:
        """Train the extractor and freeze it, unless it is there."""
        if bundled_file(self.folder, EXTRACTOR).is_file():
            return
        from cltdr_cli.demo.extractor_training import ExtractorTraining, train_extractor

        footage = self.footage("train", self.plan.extractor_videos)
        config = ExtractorTraining(steps=self.plan.extractor_steps, seed=self.plan.extractor_seed)
        self.tell(f"training the extractor: {config.steps} steps on {len(footage)} videos")
        log: list[Mapping[str, Any]] = []

        def report(facts: Mapping[str, Any]) -> None:
            log.append(facts)
            self.tell(", ".join(f"{name} {value:.4g}" for name, value in facts.items()))

        network = train_extractor(
            footage, self.footage("validation", 20), config, self.folder / "extractor", report
        )
        facts = {"trained": True, "seed": config.seed, "videos": len(footage), "config": asdict(config)}
        save_extractor(bundled_file(self.folder, EXTRACTOR), network.state_dict(), facts | {"last": dict(log[-1])})

    def footage(self, split: str, most: int) -> list[Footage]:
        """The first videos of a split, decoded once."""
        from cltdr_cli.demo.frame_store import read_frames, store_frames
        from cltdr_cli.demo.pose_targets import figure_joints
        from cltdr_cli.demo.script import draw_script
        from cltdr_cli.demo.snippets import Footage
        from extractors.catalog import DEMO

        names = sorted(self.annotations.of_split(split).videos)[:most]
        store_frames(
            [self.world / "videos" / f"{name}.mp4" for name in names], self.folder / "frames", self.plan.workers
        )
        videos = self.annotations.videos
        side = DEMO.resize[1] if DEMO.resize else 0
        found: list[Footage] = []
        for index, name in enumerate(names):
            joints = figure_joints(draw_script(split, self.plan.seed, index), side)
            found.append(Footage.of(read_frames(self.folder / "frames", name), videos[name], joints))
        return found

    def extract(self) -> None:
        """Features of all videos by ``cltdr extract-features``."""
        self.tell("extracting features")
        weights = bundled_file(self.folder, EXTRACTOR)
        words = ["extract-features", str(self.world / "videos"), "--extractor", "demo", "--weights", str(weights)]
        words += ["--out", str(self.features), "--device", "cpu", "--quiet", "--batch-size", "16"]
        _run([*words, "--workers", str(self.plan.workers)])

    def localizer(self, variant: str, seed: int) -> Path:
        """The run folder of one localizer, trained by ``cltdr train`` unless it is finished."""
        run = self.folder / "runs" / f"{variant.replace(':', '').replace(' ', '-')}-{seed}"
        if not (run / "finished").is_file():
            self.tell(f"training the localizer: {variant}, seed {seed}")
            words = ["train", "--preset", "demo", "--annotations", str(self.world / ANNOTATIONS_FILE)]
            words += ["--features", str(self.features), "--out", str(run), "--seed", str(seed)]
            words += ["--train-split", "train", "--device", "cpu", "--quiet"]
            words += [word for setting in self._settings(variant) for word in ("--set", setting)]
            words += ["--resume"] if (run / "resume.pt").is_file() else []
            _run(words, threads=self._threads)
            write_text(run / "finished", "")
        return run

    @property
    def _threads(self) -> int:
        """Of each localizer's training; together they take the cores that there are."""
        return max(1, (os.cpu_count() or 1) // self.plan.workers)

    def _settings(self, variant: str) -> tuple[str, ...]:
        return self.plan.localizer_settings + VARIANTS[variant]

    def score(self, run: Path, split: str) -> dict[str, Any]:
        """What ``cltdr eval`` says of a run on a split."""
        scores = run / f"{split}.json"
        words = ["eval", "--dataset", "custom", "--annotations", str(self.world / ANNOTATIONS_FILE)]
        words += ["--split", split, "--features", str(self.features), "--device", "cpu", "--quiet"]
        words += ["--checkpoint", str(run / "last.safetensors"), "--json-out", str(scores)]
        _run(words, threads=self._threads)
        return json.loads(scores.read_text(encoding="utf-8"))

    def measure(self, variants: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        """Train and score every variant with every seed (the shipped one with the first seed always)."""
        from cltdr_cli.demo.baseline import measured_baseline

        seeds = self.plan.localizer_seeds if len(variants) > 1 else self.plan.localizer_seeds[:1]
        jobs = list(product(variants, seeds))
        with ThreadPoolExecutor(self.plan.workers) as several:  # small networks: each is as fast on one core
            scores = several.map(lambda job: self.score(self.localizer(*job), "test"), jobs)
            by_job = dict(zip(jobs, scores, strict=True))
        rows = {name: {str(seed): by_job[name, seed] for seed in seeds} for name in variants}
        shipped = self.localizer("full", self.plan.localizer_seeds[0])
        self.tell("the sliding baseline")
        return {
            "plan": asdict(self.plan),
            "versions": _versions(),
            "extractor": extractor_facts(bundled_file(self.folder, EXTRACTOR)),
            "validation": self.score(shipped, "validation"),
            "test": rows["full"][str(seeds[0])],
            "baseline": measured_baseline(self.annotations, self.features, bundled_file(self.folder, EXTRACTOR)),
            "variants": rows,
        }

    def finish(self, results: Mapping[str, Any]) -> None:
        """Write the localizer with its facts, ``results.json`` and ``README.md``."""
        from cltdr_cli.zoo.checkpoint import load_checkpoint, save_checkpoint

        found = load_checkpoint(self.localizer("full", self.plan.localizer_seeds[0]) / "last.safetensors")
        facts = {
            **found.facts,
            "trained": True,
            "test_average_map": results["test"]["average_mAP"],
            "test_videos": results["test"]["videos"],
        }
        path = bundled_file(self.folder, LOCALIZER)
        save_checkpoint(path, found.state, found.preset, found.labels, facts)
        write_text(self.folder / "results.json", json.dumps(results, indent=1) + "\n")
        write_text(self.folder / "README.md", page(results, manifest_entries(self.folder)))


def smaller(plan: BuildPlan, videos: int, steps: int) -> BuildPlan:
    """A plan of so many videos in every split, to see that all stages work."""
    return replace(
        plan,
        train_videos=videos,
        validation_videos=videos,
        test_videos=videos,
        extractor_videos=videos,
        extractor_steps=steps,
        localizer_settings=("training.batch_size=1", "training.epochs=1", "training.warmup_epochs=1"),
    )


def _run(words: list[str], threads: int | None = None) -> None:
    """One command of the house, in a process of its own.

    Raises:
        CltdrError: It failed.
    """
    environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if subprocess.run([sys.executable, "-m", "cltdr_cli", *words], env=environment, check=False).returncode != 0:
        command = " ".join(["cltdr", *words])
        raise CltdrError(f"this stage of the build failed: {command}", "Its own message stands above.")


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    names = ("cltdr-cli", "torch", "numpy", "av")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
