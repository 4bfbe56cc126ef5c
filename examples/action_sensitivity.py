"""What each part of Action Sensitivity Learning brings: real THUMOS14 annotations with drawn features.

    python examples/action_sensitivity.py thumos14.json --out SENSITIVITY

The world is that of learns_from_real_annotations.py: real times of actions, features that show them under noise.
``weak`` and ``strong`` features show an action alike all through it, as far as its frames are in the window. In
``uneven`` ones each class shows most at a place of its own (near the start of one, near the end of another) and hardly
elsewhere, which is what the method is for. Every detector is trained plain, with the class level, with the instance
level on top, and with all of it, from several seeds; then the collapse of the Gaussians is provoked by ten and a
hundred times the learning rate, with and without the range that keeps them.

A run that is done is not done again, so the command may be stopped and repeated; the table is of what is there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cltdr_cli.data.class_lists import read_packaged_class_list
from learns_from_real_annotations import LONGEST_STEPS, SETTINGS, WINDOWS, Case, cltdr, drawn, scored
from real_annotations import choose_videos, find_labels, find_peaks

FEATURES = {
    "weak": Case("weak", 0.5),
    "strong": Case("strong", 2.0),
    "uneven": Case("uneven", 1.5, is_uneven=True),
}
DETECTORS = {
    "cltdr": ("thumos14-i3d", SETTINGS),
    "actionformer": (
        "thumos14-i3d-actionformer",
        tuple(setting for setting in SETTINGS if not setting.startswith(("mlp_dim", "init_conv_vars"))),
    ),
}
"""Preset, and its settings of a size that a CPU trains."""
SHORTER = ("max_seq_len=384",)
"""Crops of 384 steps (about 51 seconds), so that a run takes half a minute."""

ON = "training.sensitivity=asl"
NO_CONTRAST, NO_INSTANCE = "training.sensitivity_contrast_weight=0", "training.sensitivity_instance=false"
PARTS = {
    "plain": (),
    "all of ASL": (ON,),
    "class level": (ON, NO_INSTANCE, NO_CONTRAST),
    "+ instance level": (ON, NO_CONTRAST),
    "all of ASL, halved": (ON, "training.loss_weight=0.5"),
    "plain, as weighed": ("training.iou_weight_power=0", "training.loss_weight=1.7"),
}
"""``halved`` takes back that ASL weighs boundaries by the sum of two weights. The last is a control: the boundary loss
about as large as ASL makes it and no weight by the IoU, but no ASL."""
ROWS = ("plain", "plain, as weighed", "class level", "+ instance level", "all of ASL", "all of ASL, halved")

NO_RANGE = ("training.sensitivity_sigma_range=null", "training.sensitivity_mu_shift=null")
NARROW = "training.sensitivity_sigma_range=[0.5, 3]"
TENFOLD, HUNDREDFOLD = (
    (*PARTS["class level"], f"training.sensitivity_learning_rate={rate}") for rate in ("1e-2", "1e-1")
)
COLLAPSE = {
    "class level": PARTS["class level"],
    "rate x 10": TENFOLD,
    "rate x 10, no range": (*TENFOLD, *NO_RANGE),
    "rate x 100": HUNDREDFOLD,
    "rate x 100, no range": (*HUNDREDFOLD, *NO_RANGE),
    "rate x 100, widths from 0.5": (*HUNDREDFOLD, NARROW),
}
"""At 240 steps a hundred times the rate moves a width as far as ten times at the 2,400 steps of a real training."""
TIOUS = ("0.3", "0.5", "0.7", "average")


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        features: Key of ``FEATURES``.
        detector: Key of ``DETECTORS``.
        part: Name of what is on.
        settings: What turns it on.
        seed: Of weights, order and noise.
    """

    features: str
    detector: str
    part: str
    settings: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        words = "".join(letter if letter.isalnum() else "_" for letter in self.part)
        return f"{self.features}-{self.detector}-{words}-{self.seed}"


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("annotations", type=Path, help="thumos14.json in ActivityNet layout")
    parser.add_argument("--out", type=Path, default=Path("sensitivity"), help="folder for features, runs and results")
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    parser.add_argument("--features", nargs="+", default=list(FEATURES), choices=FEATURES)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    database = choose_videos(json.loads(given.annotations.read_text())["database"], WINDOWS, LONGEST_STEPS)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "truth.json").write_text(json.dumps({"database": database}))
    folders = {name: drawn(given.out, database, FEATURES[name]) for name in given.features}
    for run in planned(given.features, given.detectors, given.seeds):
        if not results_file(given.out, run).exists():
            results_file(given.out, run).write_text(json.dumps(trained(given.out, folders[run.features], run)))
    print(table(given.out, given.seeds))
    print(collapse_table(given.out))
    print(peak_table(given.out, given.seeds, database))


def planned(features: list[str], detectors: list[str], seeds: int) -> Iterator[Run]:
    """All runs, those first that say most: all of it beside none, then the collapse, then what lies between."""
    for parts in (
        ("plain", "plain, as weighed", "all of ASL"),
        ("class level", "+ instance level"),
        ("all of ASL, halved",),
    ):
        for name in features:
            for detector in detectors:
                for seed in range(seeds):
                    yield from (Run(name, detector, part, PARTS[part], seed) for part in parts)
        if "plain" in parts and "actionformer" in detectors and "weak" in features:
            for part, settings in COLLAPSE.items():
                yield Run("weak", "actionformer", part, settings, 0)


def results_file(out: Path, run: Run) -> Path:
    """Where a run's scores are kept."""
    return out / f"{run.name}.scores.json"


def trained(out: Path, features: Path, run: Run) -> dict[str, float]:
    """Train, detect in the test videos and score; a run that was stopped is continued."""
    preset, settings = DETECTORS[run.detector]
    words = [word for setting in (*settings, *SHORTER, *run.settings) for word in ("--set", setting)]
    truth = out / "truth.json"
    cltdr(
        "train", "--preset", preset, "--annotations", str(truth), "--features", str(features), "--seed", str(run.seed),
        "--out", str(out / "runs" / run.name), "--device", "cpu", "--resume", *words,
    )  # fmt: skip
    return scored(out, truth, features, run.name, run.name)


def table(out: Path, seeds: int) -> str:
    """Markdown: mean and range over the seeds of the mAP at three thresholds and on average, in percent."""
    lines = ["| features | detector | trained | runs | mAP@0.3 | mAP@0.5 | mAP@0.7 | average |", "| --- " * 8 + "|"]
    for name in FEATURES:
        for detector in DETECTORS:
            for part in ROWS:
                found = [Run(name, detector, part, PARTS[part], seed) for seed in range(seeds)]
                scores = [json.loads(file.read_text()) for run in found if (file := results_file(out, run)).exists()]
                if scores:
                    cells = [with_range([100 * score[key] for score in scores]) for key in TIOUS]
                    lines.append("| " + " | ".join([name, detector, part, str(len(scores)), *cells]) + " |")
    return "\n".join(lines) + "\n"


def with_range(values: list[float]) -> str:
    """Mean, and least and most in brackets."""
    return f"{np.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def last_records(out: Path, run: Run) -> tuple[dict, dict]:
    """The last step and the last epoch of a run's log."""
    lines = (out / "runs" / run.name / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return tuple([record for record in records if record["kind"] == kind][-1] for kind in ("step", "epoch"))


def collapse_table(out: Path) -> str:
    """Markdown: what a higher rate does to the Gaussians, with and without their range."""
    columns = ("class_sigma_least", "start_sigma_least", "end_sigma_least", "class_sensitivity_mean",
               "boundary_sensitivity_mean", "class_sensitivity_least", "regression_loss")  # fmt: skip
    lines = ["| run | " + " | ".join(columns) + " | average mAP |", "| --- " * (len(columns) + 2) + "|"]
    for part, settings in COLLAPSE.items():
        run = Run("weak", "actionformer", part, settings, 0)
        if results_file(out, run).exists():
            step, _ = last_records(out, run)
            average = 100 * json.loads(results_file(out, run).read_text())["average"]
            cells = ["none" if step[name] is None else f"{step[name]:.3f}" for name in columns]
            lines.append("| " + " | ".join([part, *cells, f"{average:.1f}"]) + " |")
    return "\n".join(lines) + "\n"


def peak_table(out: Path, seeds: int, database: dict[str, dict]) -> str:
    """Markdown: how far the learned peaks of uneven features follow where the classes do show most."""
    labels = find_labels(database)
    names = read_packaged_class_list("thumos14")
    true, places = find_peaks(len(labels)), [names.index(label) for label in labels]
    lines = ["| detector | trained | correlation of the learned with the true peaks |", "| --- " * 3 + "|"]
    for detector in DETECTORS:
        for part in ROWS[2:]:
            planned_runs = [Run("uneven", detector, part, PARTS[part], seed) for seed in range(seeds)]
            runs = [run for run in planned_runs if results_file(out, run).exists()]
            if runs:
                learned = [last_records(out, run)[1]["sensitivity"]["mu"]["class"] for run in runs]
                found = [np.corrcoef([mu[place] for place in places], true)[0, 1] for mu in learned]
                cells = f"{np.mean(found):.2f} ({min(found):.2f} to {max(found):.2f})"
                lines.append(f"| {detector} | {part} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
