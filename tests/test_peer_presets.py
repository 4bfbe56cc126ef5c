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


def read_rows(table: str) -> dict[str, list[str]]:
    """Cells by the preset's name, which is the first of them."""
    rows = [[cell.strip() for cell in line.split("|")] for line in table.split("\n") if line]
    return {row[0]: row for row in rows}


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
ROWS = read_rows(ACTIONFORMER)


def published_presets(method: str) -> set[str]:
    """Presets of a method with published settings; those of GTEA and 50Salads are our own."""
    own = {name for name in catalog.presets() if name.startswith(("gtea", "50salads"))}
    return {name for name in catalog.presets() if load_preset(name).method == method} - own


def count_millions(name: str) -> float:
    """Parameters of a preset's network, in millions."""
    preset = load_preset(name)
    with torch.device("meta"):
        network = build_network(find_method(preset.method), preset.model)
    return sum(value.numel() for value in network.parameters()) / 1e6


def test_every_published_config_of_actionformer_is_there():
    ours = {"charades-i3d-rgb-actionformer"}  # our settings, on other people's features
    assert published_presets("actionformer") - ours == set(ROWS)


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


TRIDET = """
thumos14-i3d-tridet          | 20  | 2048 | 4/16/file | 2304 | 512/768/512    | 1  | 5   | 16 | .2  | 0  | 5e-4 | R6 | 1e-4 1e-8 | 20+20 | .025 | 2  | 1  | 100 | .5/2000/2000/.7   | 15.99
activitynet13-tsp-tridet     | 1   | 512  | 16/16/15  | 768  | 256/2048/512   | 15 | 1.3 | 12 | 1   | .2 | .5   | R6 | 1e-3 5e-5 | 10+5  | .04  | 16 | .4 | 400 | .7/2000/200/.95   | 12.81
epic100-verb-slowfast-tridet | 97  | 2304 | 16/32/30  | 2304 | 512/1024/512   | 5  | 2   | 16 | .25 | 0  | 0    | E6 | 1e-4 5e-5 | 5+22  | .05  | 2  | 1  | 250 | .4/5000/2000/.75  | 18.59
epic100-noun-slowfast-tridet | 300 | 2304 | 16/32/30  | 2304 | 512/1024/512   | 1  | 4   | 16 | .25 | 0  | 0    | E6 | 1e-4 1e-8 | 5+14  | .05  | 2  | 1  | 250 | .4/5000/2000/.75  | 19.50
hacs-slowfast-tridet         | 200 | 2304 | 8/32/15   | 960  | 1024/1024/1024 | 3  | 1.2 | 14 | 1   | .1 | .2   | R6 | 1e-3 5e-4 | 7+4   | .03  | 16 | .5 | 400 | .75/2000/250/.95  | 51.86
hacs-i3d-tridet              | 200 | 2048 | 1/1/2     | 512  | 1024/1024/1024 | 15 | 1.2 | 12 | 1   | .1 | 0    | R7 | 1e-3 2e-4 | 10+3  | .03  | 16 | 1  | 400 | .75/2000/250/.95  | 53.41
"""  # noqa: E501 # a table is read by its columns
TRIDET_ROWS = read_rows(TRIDET)
TRIDET_RANGES = {**RANGES, "R7": (*SIX[:-1], (64, 128), (128, 1e4))}

TEMPORALMAXER = """
thumos14-i3d-temporalmaxer          | 20  | 2048 | 4/16/file | 2 | group | R6 | 5+60 | 100 | .5 | .5/2000/200/.7   | 7.12
multithumos-i3d-temporalmaxer       | 65  | 1024 | 4/16/file | 3 | layer | R6 | 5+60 | 100 | .5 | .5/3000/300/.7   | 6.40
epic100-verb-slowfast-temporalmaxer | 97  | 2304 | 16/32/30  | 2 | layer | E6 | 5+32 | 250 | .3 | .4/5000/2000/.75 | 7.63
epic100-noun-slowfast-temporalmaxer | 300 | 2304 | 16/32/30  | 2 | group | E6 | 5+32 | 250 | .3 | .4/5000/2000/.75 | 7.94
"""  # noqa: E501 # a table is read by its columns
MAXER_ROWS = read_rows(TEMPORALMAXER)


@pytest.mark.parametrize(("method", "rows"), [("tridet", TRIDET_ROWS), ("temporalmaxer", MAXER_ROWS)])
def test_every_published_config_of_the_others_is_there(method, rows):
    assert published_presets(method) == set(rows)


def assert_grid(p, row: list[str]) -> None:
    rate = "file" if p.features.rate is None else f"{p.features.rate:g}"
    assert [str(p.model.num_classes), str(p.model.input_dim)] == row[1:3]
    assert f"{p.features.stride_frames}/{p.features.window_frames}/{rate}" == row[3]


@pytest.mark.parametrize("name", TRIDET_ROWS)
def test_the_published_table_of_tridet(name: str):
    p, row = load_preset(name), TRIDET_ROWS[name]
    m, t, i = p.model, p.training, p.inference
    assert_grid(p, row)
    assert [str(m.max_seq_len), f"{m.embd_dim}/{m.mlp_dim}/{m.head_dim}"] == row[4:6]
    assert set(m.block_kernel_sizes) == {int(row[6])}
    found = (m.window_factor, m.num_bins, t.iou_weight_power, m.init_conv_vars, t.input_noise)
    assert list(found) == [float(cell) for cell in row[7:12]]
    assert m.regression_range == TRIDET_RANGES[row[12]]
    assert [t.learning_rate, t.eta_min] == [float(cell) for cell in row[13].split()]
    assert f"{t.warmup_epochs}+{t.epochs}" == row[14]
    found = (t.weight_decay, t.batch_size, t.clip_grad_l2norm, t.init_loss_norm)
    assert list(found) == [float(cell) for cell in row[15:19]]
    found = (i.nms_sigma, i.pre_nms_topk, i.max_seg_num, i.voting_thresh)
    assert list(found) == [float(cell) for cell in row[19].split("/")]
    assert count_millions(name) == pytest.approx(float(row[20]), abs=0.005)
    is_anet, is_hacs, is_epic = (name.startswith(word) for word in ("activitynet", "hacs", "epic"))
    assert (m.droppath, m.fpn_dim, m.use_abs_pe) == (0.1, m.embd_dim, is_anet or is_hacs)
    assert (m.head_kernel_size, m.boundary_kernel_size) == ((5, 1) if is_hacs else (3, 3))
    assert t.label_smoothing == (0.0 if "thumos" in name or "verb" in name else 0.1)
    assert (t.trunc_thresh, t.crop_ratio) == (0.3 if is_epic else 0.5, (0.9, 1.0))
    assert i.multiclass_nms is not is_anet
    assert (i.fusion_keep_segments, i.fusion_top_classes) == ((200, 2) if is_anet else (None, None))
    assert (i.duration_thresh_steps, i.voting_weight) == (0.1 if is_anet else 0.05, "score")
    assert (p.reported is None) == (name == "hacs-i3d-tridet")
    assert p.features.file_prefix == ("v_" if is_anet else "")


@pytest.mark.parametrize("name", MAXER_ROWS)
def test_the_published_table_of_temporalmaxer(name: str):
    p, row = load_preset(name), MAXER_ROWS[name]
    m, t, i = p.model, p.training, p.inference
    assert_grid(p, row)
    assert [str(m.embd_layers), m.neck_norm] == row[4:6]
    assert m.regression_range == RANGES[row[6]]
    assert f"{t.warmup_epochs}+{t.epochs}" == row[7]
    assert [t.init_loss_norm, t.trunc_thresh] == [float(cell) for cell in row[8:10]]
    found = (i.nms_sigma, i.pre_nms_topk, i.max_seg_num, i.voting_thresh)
    assert list(found) == [float(cell) for cell in row[10].split("/")]
    assert count_millions(name) == pytest.approx(float(row[11]), abs=0.005)
    assert (m.max_seq_len, m.embd_dim, m.fpn_dim, m.head_dim, m.levels) == (2304, 512, 512, 512, 6)
    assert (m.assigner_iou_weight, m.assigner_cls_weight, m.assigner_center_radius) == (2, 1, 1.5)
    assert (m.assigner_keep_percent, m.assigner_confuse_weight) == (1, 0)
    assert (t.learning_rate, t.eta_min, t.weight_decay, t.batch_size) == (1e-4, 1e-8, 0.05, 2)
    assert (t.clip_grad_l2norm, t.label_smoothing, t.crop_ratio) == (1, 0, (0.9, 1.0))
    assert (i.multiclass_nms, i.voting_weight) == (True, "score_times_iou")
    assert p.features.first_channels == (1024 if "multithumos" in name else None)
    assert p.reported
    assert p.weights is None
