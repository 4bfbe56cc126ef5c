"""Which videos are trained on where only their labels are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.label_set import labelled_split
from cltdr_cli.zoo.preset import load_preset


@pytest.mark.parametrize(("fewest", "kept"), [(1, ["a", "b"]), (3, ["a", "b"]), (4, ["b"])])
def test_short_videos_are_left_out_and_told(tmp_path, fewest, kept):
    database = {name: {"subset": "training", "labels": ["Run"], "annotations": []} for name in "ab"}
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    for name, steps in {"a": 3, "b": 4}.items():
        np.save(tmp_path / f"{name}.npy", np.zeros((steps, 2048), np.float32))
    files = load_preset("activitynet12-hamnet").features
    split = labelled_split(read_annotations(tmp_path / "truth.json"), tmp_path, files, ["Run"], fewest)
    assert [video.video_id for video in split.videos] == kept
    told = [finding for finding in split.findings if finding.kind == "short"]
    assert bool(told) == (len(kept) == 1)


def test_activitynet_leaves_out_videos_of_ten_steps():
    for name in ("activitynet12-co2net", "activitynet12-hamnet"):
        assert load_preset(name).training.fewest_steps == 11
