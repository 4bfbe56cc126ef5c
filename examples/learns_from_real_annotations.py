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

STRIDE, WINDOW, WIDTH = 4, 16, 48
TRAINING_VIDEOS, TEST_VIDEOS = 48, 24
PEAK_WIDTH = 0.2
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
    database = subset(json.loads(given.annotations.read_text())["database"])
    given.out.mkdir(parents=True, exist_ok=True)
    truth = given.out / "truth.json"
    truth.write_text(json.dumps({"database": database}))
    results = {name: trained(given.out, truth, database, Case(name, signal)) for name, signal in SIGNALS.items()}
    results["of others"] = trained(given.out, truth, database, Case("of_others", SIGNALS["strong"], of_others=True))
    late = Case("late", SIGNALS["strong"], late_frames=WINDOW)
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


def subset(database: dict[str, dict]) -> dict[str, dict]:
    """Videos of both splits, chosen without chance: evenly through the sorted names."""
    chosen: dict[str, dict] = {}
    for split, count in (("validation", TRAINING_VIDEOS), ("test", TEST_VIDEOS)):
        names = sorted(name for name, video in database.items() if video["subset"].lower() == split)
        names = [name for name in names if length_steps(database[name]) <= 2304]
        chosen |= {names[i]: database[names[i]] for i in np.linspace(0, len(names) - 1, count).round().astype(int)}
    return chosen


def length_steps(video: dict) -> int:
    """Steps of the video's features: whole windows only."""
    return max(1, int(video["duration"] * video["fps"] - WINDOW) // STRIDE + 1)


def drawn(out: Path, database: dict[str, dict], case: Case) -> Path:
    """Features of every video, in a folder of the case."""
    folder = out / "features" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    labels = sorted({item["label"] for video in database.values() for item in video["annotations"]})
    directions = np.random.default_rng(0).normal(size=(len(labels), WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    names = sorted(database)
    for index, name in enumerate(names):
        steps = length_steps(database[name])
        shown = database[names[(index + 7) % len(names)] if case.of_others else name]
        share = seen_share(shown, steps, labels, case)
        noise = np.random.default_rng([1, index]).normal(size=(steps, WIDTH))
        features = case.signal * np.sqrt(WIDTH) * share @ directions + noise
        np.save(folder / f"{name}.npy", features.astype(np.float32))
    return folder


def seen_share(video: dict, steps: int, labels: list[str], case: Case) -> np.ndarray:
    """``[T, K]``: share of each window's frames in which each action goes on, less where it hardly shows."""
    first = np.arange(steps)[:, None] * STRIDE - case.late_frames
    share = np.zeros((steps, len(labels)))
    for item in video["annotations"]:
        start, end = np.array(item["segment"]) * video["fps"]
        inside = np.minimum(first + WINDOW, end) - np.maximum(first, start)
        column = labels.index(item["label"])
        shown = inside.clip(0, WINDOW)[:, 0] / WINDOW
        if case.is_uneven:
            place = (first[:, 0] + WINDOW / 2 - start) / max(end - start, 1) - 0.5
            shown = shown * np.exp(-((place - peaks(len(labels))[column]) ** 2) / (2 * PEAK_WIDTH**2))
        share[:, column] = np.maximum(share[:, column], shown)
    return share


def peaks(classes: int) -> np.ndarray:
    """Where in an action each class shows most: -0.5 is its start, 0.5 its end."""
    return np.random.default_rng(2).permutation(np.linspace(-0.4, 0.4, classes))


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
