"""How the training settings of the presets gtea-* and 50salads-* were chosen: without looking at a test video.

    python examples/real_features_search.py --data ../shared/data/real-features --set gtea --out out/search

Persons of the training videos of split 1 are left out in turn. Scored on their features as they are, every setting
looks perfect (93 of 100), because the network behind the features has seen these persons; on persons that it has not
seen, half of its frames are wrong (a linear classifier on them: 51 to 56 % of the test frames right). So the features
of the persons left out are spoilt first, until a plainly trained detector is about as good as published ones are on
test videos: stretches are blended with those of other videos, and noise is added. OUT/search.json has the scores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PERSON = {"gtea": lambda name: name.split("_")[0], "50salads": lambda name: name.split("-")[0]}
FOLDERS = {"gtea": "gtea", "50salads": "50salads-mid"}
STRETCH_STEPS = {"gtea": 8, "50salads": 25}
PARTS = {"gtea": 3, "50salads": 4}
BLENDED_SHARE, NOISE_DEVIATIONS = 0.6, 0.7

PLAIN = ("ema_warmup=false", "ema_decay=0.99", "input_noise=0.05", "mix_share=0.0")
CANDIDATES: dict[str, tuple[str, ...]] = {
    "plain": PLAIN,
    "noise 1": (*PLAIN, "input_noise=1.0"),
    "noise 2": (*PLAIN, "input_noise=2.0"),
    "mix 0.5": ("mix_share=0.5",),
    "mix 0.5, channel dropout 0.3": ("mix_share=0.5", "channel_dropout=0.3"),
    "mix 0.9": ("mix_share=0.9",),
}
"""Changes to the preset <set>-cltdr."""


@dataclass(frozen=True)
class Part:
    """One part of the training videos is left out.

    Attributes:
        annotations: The others are ``training``, these ``validation``.
        features: Those of the videos left out are spoilt.
    """

    annotations: Path
    features: Path


def main() -> int:
    """Try all candidates on the parts that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of gtea/split-1 and 50salads-mid/split-1")
    parser.add_argument("--set", dest="data_set", choices=FOLDERS, default="gtea")
    parser.add_argument("--out", type=Path, default=Path("out/search"))
    parser.add_argument("--parts", nargs="+", type=int, help="only these, from 1 [default: all]")
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    given = parser.parse_args()
    source, out = given.data / FOLDERS[given.data_set] / "split-1", given.out / given.data_set
    scores: dict[str, dict[str, float]] = {}
    for number in given.parts or range(1, PARTS[given.data_set] + 1):
        part = leave_out(source, out / f"part-{number}", given.data_set, number - 1)
        for name in given.candidates:
            scores.setdefault(name, {})[f"part {number}"] = try_out(part, given.data_set, name)
            print(f"part {number}, {name}: {100 * scores[name][f'part {number}']:.1f}", flush=True)
            (given.out / "search.json").write_text(json.dumps(scores, indent=1))
    return 0


def leave_out(source: Path, folder: Path, data_set: str, index: int) -> Part:
    """Leave out every n-th person of the training videos, beginning with this one."""
    videos = json.loads((source / "annotations.json").read_text())["database"]
    videos = {name: video for name, video in videos.items() if video["subset"] == "training"}
    persons = sorted({PERSON[data_set](name) for name in videos})
    left_out = persons[index :: PARTS[data_set]]
    for name, video in videos.items():
        video["subset"] = "validation" if PERSON[data_set](name) in left_out else "training"
    part = Part(folder / "annotations.json", folder / "features")
    part.features.mkdir(parents=True, exist_ok=True)
    part.annotations.write_text(json.dumps({"database": videos}))
    arrays = {name: np.load(source / f"features/{name}.npy").astype(np.float32) for name in videos}
    others = [array for name, array in arrays.items() if videos[name]["subset"] == "training"]
    for number, (name, array) in enumerate(arrays.items()):
        if videos[name]["subset"] == "validation":
            array = spoil(array, others, STRETCH_STEPS[data_set], np.random.default_rng([7, index, number]))
        np.save(part.features / f"{name}.npy", array)
    return part


def spoil(features: np.ndarray, others: list[np.ndarray], mean_steps: int, rng: np.random.Generator) -> np.ndarray:
    """Blend stretches with those of other videos, and add noise."""
    features, covered = features.copy(), 0
    while covered < BLENDED_SHARE * len(features):
        other = others[rng.integers(len(others))]
        steps = int(min(1 + rng.geometric(1 / mean_steps), len(features), len(other)))
        start, origin = rng.integers(len(features) - steps + 1), rng.integers(len(other) - steps + 1)
        weight, place = rng.uniform(0.3, 1), slice(start, start + steps)
        features[place] += weight * (other[origin : origin + steps] - features[place])
        covered += steps
    deviation = np.concatenate(others).std(axis=0, dtype=np.float64)
    return (features + NOISE_DEVIATIONS * deviation * rng.normal(size=features.shape)).astype(np.float32)


def try_out(part: Part, data_set: str, name: str) -> float:
    """Train one candidate; average mAP on the videos left out after the last epoch."""
    run = part.annotations.parent / name.replace(" ", "-").replace(",", "")
    settings = [word for setting in CANDIDATES[name] for word in ("--set", setting)]
    command = [
        sys.executable, "-m", "cltdr_cli", "train", "--preset", f"{data_set}-cltdr", "--resume", "--out", str(run),
        "--annotations", str(part.annotations), "--features", str(part.features), "--eval-split", "validation",
        "--eval-every", "20", "--device", "cpu", "--workers", "1", "--quiet", *settings,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record["score"] for record in records if record["kind"] == "evaluation"][-1]


if __name__ == "__main__":
    sys.exit(main())
