"""The stages of a build, from nothing to both weights and their measured results. What is finished is kept."""

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

from bundle import EXTRACTOR, LOCALIZER, locate_file, make_manifest_entries, read_extractor_facts, save_extractor
from cltdr_cli.demo.world import ANNOTATIONS_FILE, make_world
from cltdr_cli.errors import CltdrError
from cltdr_cli.files import write_text
from report import write_page

if TYPE_CHECKING:
    from cltdr_cli.data.annotations import Annotations
    from snippets import Footage

VARIANTS: dict[str, tuple[str, ...]] = {
    "full": (),
    "decoupling off": ("model.cls_neighbors=none", "model.reg_neighbors=none"),
    "refinement off": ("model.refine=none",),
    "GMG: local and global only": ("model.gmg_branches=[local, global]",),
    "GMG: instant and global only": ("model.gmg_branches=[instant, global]",),
    "GMG: instant and local only": ("model.gmg_branches=[instant, local]",),
}
"""Rows of the ablation table, and the settings of each that switch a part off."""


@dataclass(frozen=True)
class BuildPlan:
    """The numbers of a build. Together with the versions of the libraries they decide the result.

    Attributes:
        seed: Of the drawn worlds.
        train_videos: Videos that the localizer is trained on.
        validation_videos: Videos that the numbers of the baseline are chosen on.
        test_videos: Videos that the results are measured on, once, at the end.
        extractor_videos: How many of the training videos the extractor is trained on (the first ones).
        extractor_steps: Optimiser steps of the extractor.
        extractor_seed: Of the extractor's initial weights and training snippets.
        localizer_seeds: The first is that of the shipped localizer; the ablations use all of them.
        workers: Processes that draw, decode, extract and train at the same time.
        localizer_settings: Values of the preset to change, as ``key=value``.
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

    @property
    def videos(self) -> dict[str, int]:
        """Number of videos by split."""
        return {"train": self.train_videos, "validation": self.validation_videos, "test": self.test_videos}


@dataclass
class Build:
    """A folder in which both weights are made.

    Attributes:
        folder: Gets ``world``, ``frames``, ``extractor``, ``features``, ``runs`` and the results.
        plan: The numbers.
        notice: Called with a line of text when a stage begins.
    """

    folder: Path
    plan: BuildPlan = field(default_factory=BuildPlan)
    notice: Callable[[str], object] = lambda _: None

    @property
    def world(self) -> Path:
        """Folder of the videos and annotations of all splits."""
        return self.folder / "world"

    @property
    def features(self) -> Path:
        """Folder of the features of all videos."""
        return self.folder / "features"

    @cached_property
    def annotations(self) -> Annotations:
        """Annotations of all splits."""
        from cltdr_cli.data.annotation_layouts import read_annotations

        return read_annotations(self.world / ANNOTATIONS_FILE)

    def run(self, *, ablations: bool = False) -> dict[str, Any]:
        """Run all stages; return the results as they are written to ``results.json``.

        Raises:
            CltdrError: A stage failed.
        """
        self.draw_worlds()
        self.train_extractor()
        self.extract_features()
        results = self.measure(VARIANTS if ablations else {"full": ()})
        self.finish(results)
        return results

    def draw_worlds(self) -> None:
        """Draw the videos of all splits."""
        for split, videos in self.plan.videos.items():
            self.notice(f"drawing {videos} videos of the {split} split")
            make_world(self.world, videos, self.plan.seed, split, self.plan.workers)

    def train_extractor(self) -> None:
        """Train the extractor and save its weights, unless they are there already."""
        if locate_file(self.folder, EXTRACTOR).is_file():
            return
        from extractor_training import ExtractorTraining, train_extractor

        footage = self.read_footage("train", self.plan.extractor_videos)
        config = ExtractorTraining(steps=self.plan.extractor_steps, seed=self.plan.extractor_seed)
        self.notice(f"training the extractor: {config.steps} steps on {len(footage)} videos")
        log: list[Mapping[str, Any]] = []

        def on_saved(facts: Mapping[str, Any]) -> None:
            log.append(facts)
            self.notice(", ".join(f"{name} {value:.4g}" for name, value in facts.items()))

        validation = self.read_footage("validation", 20)
        network = train_extractor(footage, validation, config, self.folder / "extractor", on_saved)
        facts = {"trained": True, "seed": config.seed, "videos": len(footage), "config": asdict(config)}
        save_extractor(locate_file(self.folder, EXTRACTOR), network.state_dict(), facts | {"last": dict(log[-1])})

    def read_footage(self, split: str, most: int) -> list[Footage]:
        """Frames, annotations and joints of the first ``most`` videos of a split; each video is decoded once."""
        from cltdr_cli.demo.script import draw_script
        from extractors.catalog import DEMO
        from frame_store import read_frames, store_frames
        from pose_targets import locate_joints
        from snippets import Footage

        videos, frames = self.annotations.videos, self.folder / "frames"
        names = sorted(self.annotations.select_split(split).videos)[:most]
        store_frames([self.world / "videos" / f"{name}.mp4" for name in names], frames, self.plan.workers)
        side = DEMO.resize[1] if DEMO.resize else 0
        scripts = [draw_script(split, self.plan.seed, index) for index in range(len(names))]
        return [
            Footage.make(read_frames(frames, name), videos[name], locate_joints(script, side))
            for name, script in zip(names, scripts, strict=True)
        ]

    def extract_features(self) -> None:
        """Extract the features of all videos with ``cltdr extract-features``."""
        self.notice("extracting features")
        weights = locate_file(self.folder, EXTRACTOR)
        words = ["extract-features", str(self.world / "videos"), "--extractor", "demo", "--weights", str(weights)]
        words += ["--out", str(self.features), "--device", "cpu", "--quiet", "--batch-size", "16"]
        _run([*words, "--workers", str(self.plan.workers)])

    def train_localizer(self, variant: str, seed: int) -> Path:
        """Train one localizer with ``cltdr train``, unless that is finished; return its run folder."""
        run = self.folder / "runs" / f"{variant.replace(':', '').replace(' ', '-')}-{seed}"
        if not (run / "finished").is_file():
            self.notice(f"training the localizer: {variant}, seed {seed}")
            words = ["train", "--preset", "demo", "--annotations", str(self.world / ANNOTATIONS_FILE)]
            words += ["--features", str(self.features), "--out", str(run), "--seed", str(seed)]
            words += ["--train-split", "train", "--device", "cpu", "--quiet"]
            settings = self.plan.localizer_settings + VARIANTS[variant]
            words += [word for setting in settings for word in ("--set", setting)]
            words += ["--resume"] if (run / "resume.pt").is_file() else []
            _run(words, threads=self._threads)
            write_text(run / "finished", "")
        return run

    def score(self, run: Path, split: str) -> dict[str, Any]:
        """Score a run on a split with ``cltdr eval``; return what its ``--json-out`` says."""
        scores = run / f"{split}.json"
        words = ["eval", "--dataset", "custom", "--annotations", str(self.world / ANNOTATIONS_FILE)]
        words += ["--split", split, "--features", str(self.features), "--device", "cpu", "--quiet"]
        words += ["--checkpoint", str(run / "last.safetensors"), "--json-out", str(scores)]
        _run(words, threads=self._threads)
        return json.loads(scores.read_text(encoding="utf-8"))

    def measure(self, variants: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        """Train and score every variant with every seed; of a single variant only the first seed."""
        from baseline import measure_baseline

        seeds = self.plan.localizer_seeds if len(variants) > 1 else self.plan.localizer_seeds[:1]
        jobs = list(product(variants, seeds))
        with ThreadPoolExecutor(self.plan.workers) as several:  # such small networks are as fast on one core each
            scores = several.map(lambda job: self.score(self.train_localizer(*job), "test"), jobs)
            by_job = dict(zip(jobs, scores, strict=True))
        rows = {name: {str(seed): by_job[name, seed] for seed in seeds} for name in variants}
        shipped = self.train_localizer("full", self.plan.localizer_seeds[0])
        self.notice("measuring the sliding baseline")
        extractor = locate_file(self.folder, EXTRACTOR)
        return {
            "plan": asdict(self.plan),
            "versions": _read_versions(),
            "extractor": read_extractor_facts(extractor),
            "validation": self.score(shipped, "validation"),
            "test": rows["full"][str(seeds[0])],
            "baseline": measure_baseline(self.annotations, self.features, extractor),
            "variants": rows,
        }

    def finish(self, results: Mapping[str, Any]) -> None:
        """Write the localizer's weights, ``results.json`` and ``README.md``."""
        from cltdr_cli.zoo.checkpoint import load_checkpoint, save_checkpoint

        found = load_checkpoint(self.train_localizer("full", self.plan.localizer_seeds[0]) / "last.safetensors")
        facts = {
            **found.facts,
            "trained": True,
            "test_average_map": results["test"]["average_mAP"],
            "test_videos": results["test"]["videos"],
        }
        save_checkpoint(locate_file(self.folder, LOCALIZER), found.state, found.preset, found.labels, facts)
        text = json.dumps(results, indent=1) + "\n"
        write_text(self.folder / "results.json", text)
        write_text(self.folder / "README.md", write_page(json.loads(text), make_manifest_entries(self.folder)))

    @property
    def _threads(self) -> int:
        """Threads of each localizer's training, so that all trainings together use every core."""
        return max(1, (os.cpu_count() or 1) // self.plan.workers)


def shrink_plan(plan: BuildPlan, videos: int, steps: int) -> BuildPlan:
    """The plan with so few videos in every split and so few steps that all stages are over in minutes."""
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
    """Run ``cltdr`` with these words in a process of its own.

    Raises:
        CltdrError: It failed.
    """
    environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if subprocess.run([sys.executable, "-m", "cltdr_cli", *words], env=environment, check=False).returncode != 0:
        command = " ".join(["cltdr", *words])
        raise CltdrError(f"this stage of the build failed: {command}", "Its own message stands above.")


def _read_versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    names = ("cltdr-cli", "torch", "numpy", "av")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
