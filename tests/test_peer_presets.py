"""Presets of the peers: the published settings, cell by cell, and the size that each makes."""

from __future__ import annotations

import pytest
import torch

from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.preset import load_preset

SIX = ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 1e4))
EPIC = ((0, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 1e4))
SEVEN = (*EPIC[:-1], (32, 128), (64, 1e4))
EIGHT = (*EPIC[:-1], (32, 128), (64, 256), (128, 1e4))
RANGES = {"R6": SIX, "E6": EPIC, "E7": SEVEN, "E8": EIGHT}

ACTIONFORMER = """
thumos14-i3d-actionformer                       | 20  | 2048 | 4/16/file  | 2304 | 512/4   | 19 | R6 | 5+30 | 100 | .5 | .5/2000/200/.7   | 29.25
activitynet13-tsp-actionformer                  | 1   | 512  | 16/16/15   | 192  | 256/4   | 7  | R6 | 5+10 | 200 | .5 | .75/2000/100/.9  | 6.94
activitynet13-i3d-actionformer                  | 1   | 2048 | 16/16/25   | 192  | 256/4   | 7  | R6 | 5+10 | 200 | .5 | .75/2000/100/.9  | 8.12
epic100-verb-slowfast-actionformer              | 97  | 2304 | 16/32/30   | 2304 | 512/4   | 9  | E6 | 5+16 | 250 | .3 | .4/5000/2000/.75 | 29.76
epic100-noun-slowfast-actionformer              | 300 | 2304 | 16/32/30   | 2304 | 512/4   | 9  | E6 | 5+16 | 250 | .3 | .4/5000/2000/.75 | 30.08
ego4d-slowfast-actionformer                     | 110 | 2304 | 16/32/30   | 1024 | 512/4   | 9  | E7 | 5+10 | 100 | .3 | .9/5000/2000/.95 | 32.95
ego4d-omnivore-actionformer                     | 110 | 1536 | 16/32/30   | 1024 | 512/4   | 9  | E8 | 5+10 | 100 | .3 | .9/5000/2000/.95 | 34.93
ego4d-egovlp-actionformer                       | 110 | 256  | 16/16/30   | 1024 | 384/4   | 9  | E8 | 5+10 | 100 | .3 | .9/5000/2000/.95 | 18.68
ego4d-omnivore-egovlp-actionformer              | 110 | 1792 | 16/32/30   | 1024 | 768/12  | 9  | E8 | 5+10 | 100 | .3 | .9/5000/2000/.95 | 77.16
ego4d-slowfast-egovlp-actionformer              | 110 | 2560 | 16/32/30   | 1024 | 768/12  | 9  | E8 | 5+10 | 100 | .3 | .9/5000/2000/.95 | 78.93
ego4d-slowfast-omnivore-egovlp-actionformer     | 110 | 4096 | 16/32/30   | 1024 | 1024/16 | 9  | E8 | 5+10 | 100 | .3 | .9/5000/2000/.95 | 134.05
"""  # noqa: E501 # a table is read by its columns
ROWS = {row.split("|")[0].strip(): [cell.strip() for cell in row.split("|")] for row in ACTIONFORMER.split("\n") if row}


def count_millions(name: str) -> float:
    """Parameters of a preset's network, in millions."""
    preset = load_preset(name)
    with torch.device("meta"):
        network = build_network(find_method(preset.method), preset.model)
    return sum(value.numel() for value in network.parameters()) / 1e6


def test_every_published_config_of_actionformer_is_there():
    assert {name for name in catalog.presets() if load_preset(name).method == "actionformer"} == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_the_published_table_of_actionformer(name: str):
    p, row = load_preset(name), ROWS[name]
    m, t, i = p.model, p.training, p.inference
    rate = "file" if p.features.rate is None else f"{p.features.rate:g}"
    assert [str(m.num_classes), str(m.input_dim)] == row[1:3]
    assert f"{p.features.stride_frames}/{p.features.window_frames}/{rate}" == row[3]
    assert [str(m.max_seq_len), f"{m.embd_dim}/{m.heads}"] == row[4:6]
    assert set(m.window_sizes) <= {int(row[6]), -1}
    assert m.regression_range == RANGES[row[7]]
    assert f"{t.warmup_epochs}+{t.epochs}" == row[8]
    assert [t.init_loss_norm, t.trunc_thresh] == [float(cell) for cell in row[9:11]]
    found = (i.nms_sigma, i.pre_nms_topk, i.max_seg_num, i.voting_thresh)
    assert list(found) == [float(cell) for cell in row[11].split("/")]
    assert count_millions(name) == pytest.approx(float(row[12]), abs=0.005)
    is_anet, is_ego = name.startswith("activitynet"), name.startswith("ego4d")
    assert (m.fpn_dim, m.head_dim, m.droppath, m.dropout) == (m.embd_dim, m.embd_dim, 0.1, 0.1 if is_ego else 0.0)
    assert (t.weight_decay, t.eta_min, t.clip_grad_l2norm, t.crop_ratio) == (0.05, 1e-8, 1.0, (0.9, 1.0))
    assert (t.learning_rate, t.batch_size, t.loss_weight) == ((1e-3, 16, 2.0) if is_anet else (1e-4, 2, 1.0))
    assert t.label_smoothing == (0.1 if is_anet or "noun" in name else 0.0)
    assert m.use_abs_pe is (is_anet or is_ego)
    assert p.features.force_upsampling is p.benchmark.class_agnostic is is_anet
    assert i.multiclass_nms is not is_anet
    assert (i.fusion_keep_segments, i.fusion_top_classes) == ((200, 2) if is_anet else (None, None))
    assert (i.duration_thresh_steps, i.voting_weight) == (0.001 if is_anet else 0.05, "score_times_iou")
    assert p.reported
