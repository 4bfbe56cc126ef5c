"""Proof that training learns, and that times are right: real THUMOS14 annotations, features that show them.

    python examples/learns_from_real_annotations.py thumos14.json --out PROOF

For every video of a subset, features at the real length and grid encode which actions each window of frames sees,
under noise. Then, with the commands that users type: train, detect, score. The exit status is 0 if what comes out
is far above chance; better with less noise; at chance where the features belong to other videos; and worse at tIoU
0.7 where all features come one window late.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cltdr_cli.main import app
from real_annotations import Windows, choose_videos, draw_directions, find_labels, find_peaks

WINDOWS, WIDTH = Windows(stride=4, window=16), 48
LONGEST_STEPS = 2304
SIGNALS = {"weak": 0.5, "strong": 2.0}

PRESET = "thumos14-i3d"
SETTINGS = (
    "features.extractor=drawn", f"features.width={WIDTH}", f"model.input_dim={WIDTH}", "embd_dim=64", "fpn_dim=64",
    "head_dim=64", "mlp_dim=96", "embd_layers=1", "stem_blocks=1", "head_num_layers=2", "init_conv_vars=0.1",
    "learning_rate=1e-3", "warmup_epochs=2", "epochs=8", "ema_decay=0.98", "pre_nms_topk=400", "max_seg_num=200",
)  # fmt: skip
"""The real preset at the real length, thinner so that a CPU trains it."""


@dataclass(frozen=True)
class Case:
    """One set of features.

    Attributes:
        name: Of its folder.
        signal: Strength of what features show, in standard deviations of their noise.
        of_others: Whether each video gets features that show what happens in another one.
        late_frames: How much too late everything is shown.
        is_uneven: Whether an action shows most at one place of it, another one for each class, and hardly elsewhere.
    """

    name: str
    signal: float
    of_others: bool = False
    late_frames: int = 0
    is_uneven: bool = False


def main() -> int:
    """Run all cases; the exit status says whether everything came out as it must."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("annotations", type=Path, help="thumos14.json in ActivityNet layout")
    parser.add_argument("--out", type=Path, default=Path("proof"), help="folder for features, runs and results")
    given = parser.parse_args()
    database = choose_videos(json.loads(given.annotations.read_text())["database"], WINDOWS, LONGEST_STEPS)
    given.out.mkdir(parents=True, exist_ok=True)
    truth = given.out / "truth.json"
    truth.write_text(json.dumps({"database": database}))
    results = {name: trained(given.out, truth, database, Case(name, signal)) for name, signal in SIGNALS.items()}
    results["of others"] = trained(given.out, truth, database, Case("of_others", SIGNALS["strong"], of_others=True))
    late = Case("late", SIGNALS["strong"], late_frames=WINDOWS.window)
    results["one window late"] = scored(given.out, truth, drawn(given.out, database, late), "strong", "late")
    (given.out / "results.json").write_text(json.dumps(results, indent=1))
    return report(results)


def report(results: dict[str, dict[str, float]]) -> int:
    """Print the table and what it proves."""
    print(f"{'features':18}{'mAP@0.3':>9}{'mAP@0.5':>9}{'mAP@0.7':>9}{'average':>9}")
    for name, maps in results.items():
        print(f"{name:18}" + "".join(f"{100 * maps[key]:9.2f}" for key in ("0.3", "0.5", "0.7", "average")))
    weak, strong, others, late = (results[name] for name in results)
    claims = {
        "strong features give an average mAP above 50": strong["average"] > 0.5,
        "they are better than weak ones by 5 points": strong["average"] > weak["average"] + 0.05,
        "weak ones are far above chance": weak["average"] > 5 * max(others["average"], 0.01),
        "features of other videos stay at chance, below 3": others["average"] < 0.03,
        "one window late costs half of the mAP@0.7": late["0.7"] < 0.5 * strong["0.7"],
    }
    for claim, holds in claims.items():
        print(f"{'yes' if holds else 'NO '}  {claim}")
    return 0 if all(claims.values()) else 1


def drawn(out: Path, database: dict[str, dict], case: Case) -> Path:
    """Features of every video, in a folder of the case."""
    folder = out / "features" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    labels = find_labels(database)
    directions = draw_directions(np.random.default_rng(0), len(labels), WIDTH)
    names = sorted(database)
    for index, name in enumerate(names):
        steps = WINDOWS.count(database[name])
        shown = database[names[(index + 7) % len(names)] if case.of_others else name]
        peaks = find_peaks(len(labels)) if case.is_uneven else None
        share = WINDOWS.seen_share(shown, steps, labels, case.late_frames, peaks)
        noise = np.random.default_rng([1, index]).normal(size=(steps, WIDTH))
        features = case.signal * np.sqrt(WIDTH) * share @ directions + noise
        np.save(folder / f"{name}.npy", features.astype(np.float32))
    return folder


def trained(out: Path, truth: Path, database: dict[str, dict], case: Case) -> dict[str, float]:
    """Train on the case's features and score on its test videos."""
    folder = drawn(out, database, case)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    cltdr(
        "train", "--preset", PRESET, "--annotations", str(truth), "--features", str(folder),
        "--out", str(out / "runs" / case.name), "--device", "cpu", "--resume", *settings,
    )  # fmt: skip
    return scored(out, truth, folder, case.name, case.name)


def scored(out: Path, truth: Path, features: Path, run: str, name: str) -> dict[str, float]:
    """Detect with a run's weights in a folder of features; mAP by threshold, and on average."""
    path = out / f"{name}.json"
    cltdr(
        "eval", "--dataset", "thumos14", "--annotations", str(truth), "--features", str(features),
        "--checkpoint", str(out / "runs" / run / "last.safetensors"), "--json-out", str(path), "--device", "cpu",
    )  # fmt: skip
    content = json.loads(path.read_text())
    by_tiou = {f"{tiou:.1f}": value for tiou, value in zip(content["tiou"], content["mAP"], strict=True)}
    return {**by_tiou, "average": content["average_mAP"]}


def cltdr(*words: str) -> None:
    """One command, with the words that a user types; in this process, since starting Python takes its time."""
    if status := app(list(words), standalone_mode=False):
        sys.exit(status)


if __name__ == "__main__":
    sys.exit(main())
