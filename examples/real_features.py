"""What each method finds on real features: GTEA and 50Salads, all splits, three seeds, and ablations of CLTDR-GMG.

    python examples/real_features.py --data ../shared/data/real-features --out out/results

DATA holds gtea/split-K and 50salads/split-K (or 50salads-mid/split-K), each with features/ and annotations.json, as
`cltdr datasets import` makes them. Every run is one `cltdr train` and one `cltdr eval` in a folder of its own,
OUT/<set>/<variant>/split-K-seed-S, whose scores.json says settings, seed, versions, machine and time. A finished run
is skipped, a stopped one goes on where it was. The tables go to OUT/results.md, the plots beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.workflows.run_scores import RESULT_FILE
from cltdr_cli.workflows.runs import RunsSummary, summarize_runs, write_runs_plot
from cltdr_cli.workflows.runs_video import PREDICTIONS_FILE

SPLITS = {"gtea": 4, "50salads": 5}
FOLDERS = {"gtea": ("gtea",), "50salads": ("50salads", "50salads-mid")}
SEEDS = (1, 2, 3)

METHODS = ("cltdr", "actionformer", "tridet", "temporalmaxer")
"""Presets <set>-<method>: one width, one training budget."""

AUTO = "auto"
"""The preset that `cltdr train` makes for features and annotation."""

ASL = ("training.sensitivity=asl",)
NO_CONTRAST, NO_INSTANCE = "training.sensitivity_contrast_weight=0", "training.sensitivity_instance=false"
SENSITIVITY: dict[str, tuple[str, ...]] = {
    f"{method}-asl{part}": (*ASL, *settings)
    for method in ("cltdr", "actionformer")
    for part, settings in {"": (), "-class": (NO_INSTANCE, NO_CONTRAST), "-instance": (NO_CONTRAST,)}.items()
}
"""Action Sensitivity Learning on two methods: all of it, its class level alone, and with the instance level."""

WHOLE = (*METHODS, AUTO, "cltdr-asl", "actionformer-asl")
"""Variants that are run on all splits."""

ABLATIONS: dict[str, tuple[str, ...]] = {
    "decoupling-none": ("cls_neighbors=none", "reg_neighbors=none"),
    "decoupling-class": ("reg_neighbors=none",),
    "decoupling-regression": ("cls_neighbors=none",),
    "refinement-none": ("refine=none",),
    "refinement-class": ("refine=class",),
    "refinement-regression": ("refine=regression",),
    "branches-instant": ("gmg_branches=[instant]",),
    "branches-local": ("gmg_branches=[local]",),
    "branches-global": ("gmg_branches=[global]",),
    "branches-instant-local": ("gmg_branches=[instant, local]",),
    "branches-instant-global": ("gmg_branches=[instant, global]",),
    "branches-local-global": ("gmg_branches=[local, global]",),
    "gate-none": ("gmg_gate=none",),
    "gate-relu": ("gmg_gate=relu",),
    "fusion-sum": ("fusion=add",),
}
"""Changes to the preset of CLTDR-GMG."""

PAPER: dict[str, float] = {
    "cltdr": 74.3,
    "decoupling-class": 73.4,
    "decoupling-regression": 73.3,
    "refinement-none": 73.5,
    "refinement-class": 73.9,
    "refinement-regression": 73.8,
    "branches-instant": 73.4,
    "branches-local": 73.4,
    "branches-global": 73.5,
    "branches-instant-local": 73.6,
    "branches-instant-global": 73.8,
    "branches-local-global": 73.0,
    "gate-none": 73.9,
    "fusion-sum": 73.5,
}
"""Average mAP that the paper's tables 6 to 11 give for THUMOS14 with InternVideo2-6B; other variants are not there."""

CHANGES = {**SENSITIVITY, **ABLATIONS}
"""Variant -> settings that differ from its method's preset."""

TABLES = {
    "ablations of CLTDR-GMG": (METHODS[0], *ABLATIONS),
    "parts of ASL": (METHODS[0], METHODS[1], *SENSITIVITY),
}
"""Title and variants of the tables of one split."""

ABLATION_SPLITS = (1,)
"""Splits of the ablations and of the parts of ASL, unless others are asked for: all would take half a day."""

PUBLISHED = {
    "gtea": ("ED-TCN, splits 1 to 3", "gtea-ed-tcn", 47.8),
    "50salads": ("ED-TCN", "50salads-mid-ed-tcn", 45.8),
}
"""Published predictions on the same features: title, name of their scores, average mAP of their runs of one class."""

LEAST_SHARE = 0.5
"""Detections to which better ones leave less of their frames give no labels; found with the presets' settings."""

COLUMNS = ("average mAP", "mAP@0.5", "mAP@0.7", "accuracy", "edit", "f1@10", "f1@25", "f1@50")


@dataclass(frozen=True)
class Run:
    """One training and its evaluation.

    Attributes:
        data_set: Its name.
        variant: A method, or an ablation.
        split: Number of the split.
        seed: Of weights, order and augmentation.
    """

    data_set: str
    variant: str
    split: int
    seed: int

    @property
    def preset(self) -> str:
        """Name of its preset."""
        if self.variant == AUTO:
            return AUTO
        return f"{self.data_set}-{next((m for m in METHODS if self.variant.startswith(m)), METHODS[0])}"

    def folder(self, out: Path) -> Path:
        """Where its files go."""
        return out / self.data_set / self.variant / f"split-{self.split}-seed-{self.seed}"


def main() -> int:
    """Do the runs that are missing, and write the tables of those that are there."""
    given = parse()
    variants = dict.fromkeys([*given.variants, *(CHANGES if given.ablations else ())])
    runs = [
        Run(data_set, variant, split, seed)
        for data_set in given.sets
        for variant in variants
        for seed in given.seeds
        for split in (given.splits or list_splits(data_set, variant))
    ]
    missing = [run for run in runs if not (run.folder(given.out) / RESULT_FILE).exists()]
    print(f"{len(runs)} runs, {len(missing)} of them to do")
    with ThreadPoolExecutor(given.jobs) as pool:
        done = list(pool.map(lambda run: do(run, given), missing))
    write_tables(given.out, given.published)
    return 0 if all(done) else 1


def list_splits(data_set: str, variant: str) -> Sequence[int]:
    """The splits that a variant is run on by default."""
    return range(1, SPLITS[data_set] + 1) if variant in WHOLE else ABLATION_SPLITS


def parse() -> argparse.Namespace:
    """The words of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of gtea/split-K and 50salads/split-K")
    parser.add_argument("--out", type=Path, default=Path("out/results"), help="folder of runs and tables")
    parser.add_argument("--sets", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--variants", nargs="*", choices=[*WHOLE, *CHANGES], default=list(WHOLE))
    parser.add_argument("--ablations", action="store_true", help="the ablations of CLTDR-GMG and the parts of ASL, too")
    parser.add_argument("--splits", nargs="+", type=int, help="only these [default: all]")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], help="change a preset's value: KEY=VALUE"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, of one thread each")
    parser.add_argument(
        "--published", type=Path, help="expected.json with segmentation scores of published predictions"
    )
    return parser.parse_args()


def do(run: Run, given: argparse.Namespace) -> bool:
    """Train and evaluate one run; False where a command failed, which its log tells."""
    data, folder = find_data(given.data, run), run.folder(given.out)
    files = ["--annotations", data / "annotations.json", "--features", data / "features", "--device", "cpu"]
    settings = [word for setting in (*CHANGES.get(run.variant, ()), *given.settings) for word in ("--set", setting)]
    folder.mkdir(parents=True, exist_ok=True)
    trained = cltdr(
        folder, "train", "--preset", run.preset, *files, "--out", folder, "--seed", run.seed, "--resume",
        "--workers", 1, *settings,
    )  # fmt: skip
    scored = trained and cltdr(
        folder, "eval", "--dataset", run.data_set, *files, "--checkpoint", folder / "last.safetensors",
        "--segmentation", "--segmentation-choose-on", "training", "--segmentation-min-share", LEAST_SHARE,
        "--json-out", folder / RESULT_FILE, "--predictions-out", folder / PREDICTIONS_FILE,
    )  # fmt: skip
    score = f"{100 * json.loads((folder / RESULT_FILE).read_text())['average_mAP']:.1f}" if scored else "failed"
    print(f"{run.data_set} {run.variant} split {run.split} seed {run.seed}: {score}", flush=True)
    return scored


def find_data(root: Path, run: Run) -> Path:
    """The folder of a split."""
    places = [root / name / f"split-{run.split}" for name in FOLDERS[run.data_set]]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        sys.exit(f"there is no {places[0]}: `cltdr datasets import` makes it")
    return found


def cltdr(folder: Path, *words: object) -> bool:
    """One command, as a user types it, on one thread; what it says goes to the run's output.txt."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cltdr_cli", *map(str, words)]
    with (folder / "output.txt").open("a") as log:
        log.write(f"$ cltdr {' '.join(command[3:])}\n")
        log.flush()
        return not subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode


def write_tables(out: Path, published: Path | None) -> None:
    """The tables and plots of both sets, of all runs that are there."""
    parts: list[str] = []
    for data_set in SPLITS:
        rows = draw_rows(out / data_set, WHOLE)
        if rows:
            first = [draw_published(data_set, published)] if published else []
            parts.append(make_table(f"{data_set}, all splits", [*first, *rows]))
        for title, variants in TABLES.items():
            changed = draw_rows(out / data_set, variants, "split-1-*")
            if any(row[0] in CHANGES for row in changed):
                parts.append(
                    make_table(f"{data_set}, split 1, {title}", changed, PAPER if "ablations" in title else {})
                )
        there = [name for name in WHOLE if any((out / data_set / name).glob(f"*/{RESULT_FILE}"))]
        if there:
            write_runs_plot([summarize_runs(out / data_set / name) for name in there], out / f"{data_set}-plots")
    (out / "results.md").write_text("\n".join(parts))
    print("\n".join(parts))


def make_table(title: str, rows: list[list[str]], paper: Mapping[str, float] = {}) -> str:
    """A table in Markdown, with a column of the paper's numbers where there are any."""
    head = ["", "runs", *COLUMNS, "parameters", "training", *(["the paper, THUMOS14"] if paper else [])]
    if paper:
        rows = [[*row, f"{paper[row[0]]}" if row[0] in paper else ""] for row in rows]
    lines = [head, ["---"] * len(head), *rows]
    return f"### {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def draw_rows(folder: Path, variants: Iterable[str], names: str = "*") -> list[list[str]]:
    """A row for each variant that has runs of these names."""
    there = [name for name in variants if any((folder / name).glob(f"{names}/{RESULT_FILE}"))]
    return [draw_row(name, summarize_runs(folder / name, names)) for name in there]


def draw_row(name: str, summary: RunsSummary) -> list[str]:
    """One variant: mean, and the range of the seeds (of the runs, where seeds have different splits)."""

    def cell(column: str) -> str:
        spread = summary.values[column]
        half = max(spread.high - spread.mean, spread.mean - spread.low)
        return f"{spread.mean:.1f} ± {half:.1f}" if half else f"{spread.mean:.1f}"

    size = f"{summary.values['parameters'].mean / 1e6:.2f} M"
    return [name, summary.description, *map(cell, COLUMNS), size, tell_training_time(summary.files)]


def tell_training_time(files: Sequence[Path]) -> str:
    """Mean of the seconds that the processor worked, over the runs that measured it; nothing where none did."""
    told = [json.loads(file.read_text())["made_by"].get("training_processor_seconds") for file in files]
    seconds = [value for value in told if value is not None]
    return f"{sum(seconds) / len(seconds):.0f} s" if seconds else ""


def draw_published(data_set: str, path: Path) -> list[str]:
    """Scores of published predictions, as mean of their splits."""
    title, name, average = PUBLISHED[data_set]
    splits = [scores for split, scores in json.loads(path.read_text())[name].items() if split != "all"]
    means = {key: sum(scores[key] for scores in splits) / len(splits) for key in COLUMNS[3:]}
    cells = [f"{means[key]:.1f}" if key in means else "" for key in COLUMNS]
    return [title, f"{len(splits)} splits", f"{average}", *cells[1:], "", ""]


if __name__ == "__main__":
    sys.exit(main())
