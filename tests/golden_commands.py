"""Published checkpoints through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def assert_converted_detects_as_published(cltdr, folder: Path, tmp_path: Path) -> None:
    """``cltdr convert``, then ``cltdr detect``: every detection of a golden folder, in order of its score."""
    ours = tmp_path / "ours.safetensors"
    done = cltdr("convert", folder / "checkpoint.pth.tar", "--config", folder / "config.yaml", "--out", ours)
    assert done.code == 0, done.err
    for name, expected in json.loads((folder / "segments.json").read_text()).items():
        out = tmp_path / f"{name}.json"
        done = cltdr(
            "detect", folder / f"features_{name}.npy", "--checkpoint", ours,
            "--fps", expected["fps"], "--duration", expected["duration"], "--out", out,
        )  # fmt: skip
        assert done.code == 0, done.err
        rows = json.loads(out.read_text())["results"][f"features_{name}"]
        assert len(rows) == len(expected["scores"])
        order = np.argsort(-np.array(expected["scores"]), kind="stable")
        segments = [row["segment"] for row in rows]
        np.testing.assert_allclose(segments, np.array(expected["segments"])[order], rtol=0, atol=1e-3)
        scores = [row["score"] for row in rows]
        np.testing.assert_allclose(scores, np.array(expected["scores"])[order], rtol=0, atol=1e-4)
        assert [row["label_id"] for row in rows] == np.array(expected["labels"])[order].tolist()
