"""Configs in the published form become presets: defaults, spellings, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from cltdr_cli.errors import PresetError
from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.zoo.preset import Preset, load_preset
from cltdr_cli.zoo.published import preset_from_published

SIX = ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 1e4))

PUBLISHED = """
dataset_name: thumos
train_split: [validation]
val_split: [test]
devices: ['cuda:0']
output_folder: ./ckpt
dataset:
  json_file: ./data/thumos14.json
  feat_folder: ./data/i3d_features
  file_prefix: null
  file_ext: .npy
  input_dim: 2048
  num_classes: 20
  max_seq_len: 2304
  feat_stride: 4
  num_frames: 16
  default_fps: null
  trunc_thresh: 0.5
  crop_ratio: [0.9, 1.0]
model:
  fpn_type: identity
  max_buffer_len_factor: 6.0
  n_sgp_win_size: 1
  sgp_mlp_dim: 768
  k: 5
  init_conv_vars: 0
  num_bins: 16
  iou_weight_power: 0.2
  input_noise: 0.05
opt: {learning_rate: 0.0001, epochs: 20, warmup_epochs: 20, weight_decay: 0.035}
loader: {batch_size: 2, num_workers: 4}
train_cfg: {init_loss_norm: 100, clip_grad_l2norm: 1.0, head_empty_cls: [], center_sample: radius}
test_cfg:
  pre_nms_topk: 2000
  max_seg_num: 2000
  min_score: 0.001
  voting_thresh: 0.7
"""


def test_published_thumos_equals_our_preset():
    ours, theirs = load_preset("thumos14-i3d"), preset_from_published(PUBLISHED)
    assert theirs.model == ours.model
    assert theirs.inference == ours.inference
    assert theirs.training == ours.training
    assert theirs.benchmark == ours.benchmark
    assert dataclasses.replace(theirs.features, extractor="i3d", flow="tvl1") == ours.features
    assert Preset.from_yaml(theirs.to_yaml()) == theirs


def test_left_out_keys_take_the_published_defaults():
    minimal = "dataset: {input_dim: 8, num_classes: 3, max_seq_len: 96}\nmodel: {n_sgp_win_size: 3, sgp_mlp_dim: 64}\n"
    p = preset_from_published(minimal + "test_cfg:\n")
    m, t, i, f = p.model, p.training, p.inference, p.features
    assert isinstance(m, CltdrConfig)
    assert t
    assert (m.embd_layers, m.stem_blocks, m.branch_blocks, m.block_kernel_sizes) == (2, 2, 5, (3,) * 6)
    assert (m.embd_dim, m.fpn_dim, m.head_dim, m.num_bins, m.downsample, m.neck) == (
        512,
        512,
        512,
        16,
        "max",
        "identity",
    )
    assert m.regression_range == SIX
    assert (t.learning_rate, t.weight_decay, t.epochs, t.warmup_epochs, t.eta_min) == (1e-3, 0, 30, 5, 1e-8)
    assert (t.init_loss_norm, t.clip_grad_l2norm, t.label_smoothing, t.iou_weight_power) == (2000, None, 0, 1)
    assert (t.crop_ratio, t.trunc_thresh, t.input_noise, t.class_loss) == (None, 0.5, 0, "focal")
    assert (i.pre_nms_thresh, i.pre_nms_topk, i.iou_threshold, i.min_score) == (0.001, 5000, 0.1, 0.01)
    assert (i.max_seg_num, i.nms_method, i.nms_sigma, i.duration_thresh_steps) == (1000, "soft", 0.5, 0.05)
    assert (i.multiclass_nms, i.voting_thresh) == (True, 0.75)
    assert (f.stride_frames, f.window_frames, f.rate, f.downsample_rate, f.force_upsampling) == (
        16,
        32,
        None,
        1,
        False,
    )
    assert (p.benchmark.dataset, p.benchmark.labels) == ("custom", None)


def test_values_that_are_said_differently(tmp_path: Path):
    text = PUBLISHED.replace("  n_sgp_win_size: 1\n", "  n_sgp_win_size: [1, 1, 3, 5, 5, 7]\n  backbone_type: conv\n")
    text = text.replace("clip_grad_l2norm: 1.0", "clip_grad_l2norm: -1").replace("file_ext: .npy", "file_ext: _f.pt")
    text = text.replace("opt: {", "opt: {type: AdamW, schedule_type: cosine, warmup: false, ")
    text = text.replace("k: 5\n", "k: 5\n  boudary_kernel_size: 1\n  downsample_type: avg\n")
    path = tmp_path / "thumos_i3d_vflloss.yaml"
    path.write_text(text.replace("test_cfg:\n", "test_cfg:\n  ext_score_file: scores.json\n  duration_thresh: 0.1\n"))
    p = preset_from_published(path)
    assert isinstance(p.model, CltdrConfig)
    assert p.training
    assert p.name == "thumos_i3d_vflloss"
    assert (p.training.class_loss, p.training.warmup_epochs, p.training.clip_grad_l2norm) == ("varifocal", 0, None)
    assert p.model.block_kernel_sizes == (1, 1, 3, 5, 5, 7)
    assert (p.model.backbone, p.model.boundary_kernel_size, p.model.downsample) == ("conv", 1, "avg")
    assert (p.features.file_suffix, p.features.file_format) == ("_f.pt", "pt")
    assert (p.inference.fusion_keep_segments, p.inference.duration_thresh_steps) == (200, 0.1)
    assert p.benchmark.external_scores == "scores.json"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  k: 5", "  kk: 5\n  n_layers: 4", "(?s)unknown key 'model.kk'.*unknown key 'model.n_layers'"),
        (
            "  num_bins: 16",
            "  num_bin: 16",
            "config:27: unknown key 'model.num_bin'; did you mean 'model.num_bins'",
        ),
        ("  num_classes: 20\n", "", "the config lacks the key 'dataset.num_classes'"),
        ("  n_sgp_win_size: 1\n", "", "the config lacks the key 'model.n_sgp_win_size'"),
        (
            "fpn_type: identity",
            "fpn_type: bifpn",
            "config:21: model.fpn_type must be identity or fpn, not 'bifpn'",
        ),
        ("opt: {", "opt: {type: SGD, ", "config:30: opt.type: 'SGD' is not supported, only AdamW"),
        ("opt: {", "opt: {schedule_type: multistep, ", "'multistep' is not supported, only cosine"),
        (
            "  k: 5",
            "  k: 5\n  backbone_type: transformer",
            "'transformer' is not supported, only SGP or conv",
        ),
        ("  k: 5", "  k: 5\n  scale_factor: 4", "model.scale_factor must be 2, not '4'"),
        ("  k: 5", "  k: 5\n  backbone_arch: [2, 2]", "model.backbone_arch must have 3 entries"),
        (
            "  k: 5",
            "  k: 5\n  backbone_arch: [2, 2, 6]",
            "regression_range has 6 entries, but branch_blocks 6 makes 7",
        ),
        ("file_ext: .npy", "file_ext: .mat", "'.mat' is not supported"),
        ("max_seq_len: 2304", "max_seq_len: long", "max_seq_len must be a whole number"),
        ("dataset_name: thumos", "dataset_nam: thumos", "unknown key 'dataset_nam'"),
        ("train_split:", "dataset_name:", "'dataset_name' stands in the config twice"),
    ],
)
def test_wrong_published_configs_are_named(old: str, new: str, message: str):
    assert PUBLISHED.count(old) >= 1
    with pytest.raises(PresetError, match=message):
        preset_from_published(PUBLISHED.replace(old, new, 1))


def test_golden_configs_convert(shared: Path):
    paths = sorted((shared / "golden" / "localizer").glob("*/config.yaml"))
    assert len(paths) == 8
    for path in paths:
        theirs = yaml.safe_load(path.read_text())
        p = preset_from_published(path, path.parent.name)
        assert isinstance(p.model, CltdrConfig)
        assert p.training
        assert p.model.levels == theirs["model"]["backbone_arch"][2] + 1
        assert [list(pair) for pair in p.model.regression_range] == theirs["model"]["regression_range"]
        assert p.model.block_kernel_sizes == (theirs["model"]["n_sgp_win_size"],) * p.model.levels
        assert p.model.droppath == theirs["train_cfg"]["droppath"]
        assert p.training.epochs == theirs["opt"]["epochs"]
        assert p.inference.multiclass_nms == theirs["test_cfg"]["multiclass_nms"]
        assert p.inference.nms_method == theirs["test_cfg"].get("nms_method", "soft")
        assert p.benchmark.class_agnostic == (theirs["dataset"]["num_classes"] == 1)
        assert Preset.from_yaml(p.to_yaml()) == p
