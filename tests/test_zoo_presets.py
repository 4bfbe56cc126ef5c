"""Presets: the published table, strict reading, overrides, published-form configs, the command."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cltdr_cli.commands.presets import app
from cltdr_cli.errors import PresetError, UsageError, WeightsError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.preset import Preset, load_preset

TABLE = """
thumos14-i3d             | 20  | 2048 | 4/16/file | 512/768 512   | 1e-4 1e-8   | 20+20 | .035 | 2  | 2304 | 16 | .2  | 1  | .05  | 1  | 100 | .5/2000/2000/.7   | focal
thumos14-videomaev2-g    | 20  | 1408 | 4/16/file | 512/768 512   | 1e-4 1e-8   | 30+32 | .055 | 2  | 2304 | 16 | .2  | 1  | 5e-4 | 1  | 100 | .5/2000/2000/.7   | focal
thumos14-internvideo2-6b | 20  | 3200 | 4/16/file | 512/768 512   | 1e-4 1e-8   | 32+25 | .05  | 2  | 2304 | 16 | .25 | 1  | 5e-4 | 1  | 100 | .5/2000/2000/.7   | varifocal
multithumos-i3d-rgb      | 65  | 1024 | 4/16/file | 512/768 512   | 1.5e-4 1e-8 | 25+35 | .03  | 2  | 2304 | 16 | .2  | 1  | 5e-4 | 1  | 100 | .5/8000/8000/.7   | focal
multithumos-i3d          | 65  | 2048 | 4/16/file | 512/1024 512  | 1.5e-4 1e-8 | 25+35 | .03  | 2  | 2304 | 16 | .2  | 1  | 5e-4 | 1  | 100 | .5/8000/8000/.7   | focal
multithumos-videomaev2-g | 65  | 1408 | 4/16/file | 512/1024 512  | 1.5e-4 1e-8 | 25+35 | .03  | 2  | 2304 | 16 | .25 | 1  | .05  | 1  | 100 | .5/2000/2000/.7   | varifocal
epic100-verb-slowfast    | 97  | 2304 | 16/32/30  | 512/768 512   | 1e-4 5e-5   | 16+12 | .04  | 2  | 2304 | 16 | .25 | 5  | 3e-4 | 1  | 250 | .4/5000/2000/.7   | varifocal
epic100-noun-slowfast    | 300 | 2304 | 16/32/30  | 512/1024 512  | 1e-4 5e-5   | 10+15 | .05  | 2  | 2304 | 16 | .25 | 5  | 1e-4 | 1  | 250 | .4/5000/2000/.7   | focal
activitynet13-tsp        | 1   | 512  | 16/16/15  | 256/2048 512  | 1e-3 2e-5   | 10+5  | .045 | 16 | 768  | 12 | 1   | 15 | .5   | .4 | 400 | .7/2000/200/.95   | focal
hacs-i3d                 | 200 | 2048 | 1/1/2     | 1024/1024 1024| 1e-3 1e-4   | 12+5  | .03  | 16 | 512  | 12 | 1   | 15 | 0    | 1  | 400 | .75/2000/250/.95  | focal
hacs-slowfast            | 200 | 2304 | 8/32/15   | 1024/1024 1024| 1e-3 2e-4   | 10+5  | .03  | 16 | 960  | 14 | 1   | 3  | .2   | .5 | 400 | .75/2000/250/.95  | focal
"""  # noqa: E501 # a table is read by its columns
"""The published settings, cell by cell (a dash in the last column stands as focal, the default)."""
ROWS = {row.split("|")[0].strip(): [cell.strip() for cell in row.split("|")] for row in TABLE.split("\n") if row}
SIX = ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 1e4))
SEVEN = (*SIX[:-1], (64, 128), (128, 1e4))
MOVINETS = {"kinetics600-movinet-a0", "kinetics600-movinet-a2"}
EPIC = ((0, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 1e4))


WEAK = ("thumos14-co2net", "thumos14-hamnet", "thumos14-dfe")


def test_the_box_holds_what_it_should():
    ours = {name for name in catalog.presets() if load_preset(name).method in ("cltdr", "sliding")}
    plain = {"demo", "charades-i3d-rgb", "kinetics400-i3d-rgb", "kinetics400-videomae-base", *MOVINETS}
    assert ours == {*ROWS, *plain, "gtea-cltdr", "50salads-cltdr"}


@pytest.mark.parametrize("name", catalog.presets())
def test_each_reads_and_round_trips(name: str):
    preset = load_preset(name)
    assert preset.name == name
    assert isinstance(preset.model, find_method(preset.method).config)
    again = Preset.from_yaml(preset.to_yaml())
    assert again == preset
    assert again.to_yaml() == preset.to_yaml()


@pytest.mark.parametrize("name", catalog.presets())
def test_labels_match_the_class_count(name: str):
    preset = load_preset(name)
    if name.startswith(("ego4d", "gtea", "50salads")):  # the list of classes comes with the annotation
        assert preset.class_names is None
        return
    assert preset.class_names
    assert len(preset.class_names) == preset.model.num_classes


@pytest.mark.parametrize("name", catalog.presets())
def test_each_opens_with_its_commands_and_its_source(name: str):
    head = catalog.preset_path(name).read_text().split("\nname:")[0]
    assert all(line.startswith("#") or not line for line in head.split("\n"))
    assert f"{name}" in head
    assert "#   cltdr " in head
    assert "Source:" in head


@pytest.mark.parametrize("name", ROWS)
def test_the_published_table(name: str):
    p = load_preset(name)
    rate = "file" if p.features.rate is None else f"{p.features.rate:g}"
    assert isinstance(p.model, CltdrConfig)
    assert p.training
    sigma, topk, maximum, voting = (float(cell) for cell in ROWS[name][16].split("/"))
    dims, head = ROWS[name][4].rsplit(maxsplit=1) if " " in ROWS[name][4] else (ROWS[name][4], "")
    rate_low_high = [float(cell) for cell in ROWS[name][5].split()]
    assert [str(p.model.num_classes), str(p.model.input_dim)] == ROWS[name][1:3]
    assert f"{p.features.stride_frames}/{p.features.window_frames}/{rate}" == ROWS[name][3]
    assert f"{p.model.embd_dim}/{p.model.mlp_dim}" == dims
    assert (p.model.head_dim, p.model.fpn_dim) == (int(head), p.model.embd_dim)
    assert [p.training.learning_rate, p.training.eta_min] == rate_low_high
    assert f"{p.training.warmup_epochs}+{p.training.epochs}" == ROWS[name][6]
    measured = (
        p.training.weight_decay, p.training.batch_size, p.model.max_seq_len, p.model.num_bins,
        p.training.iou_weight_power, p.model.block_kernel_sizes[0], p.training.input_noise,
        p.training.clip_grad_l2norm, p.training.init_loss_norm,
    )  # fmt: skip
    assert list(measured) == [float(cell) for cell in ROWS[name][7:16]]
    assert len(set(p.model.block_kernel_sizes)) == 1
    assert (p.inference.nms_sigma, p.inference.pre_nms_topk, p.inference.max_seg_num) == (sigma, topk, maximum)
    assert p.inference.voting_thresh == voting
    assert p.training.class_loss == ROWS[name][17]


@pytest.mark.parametrize("name", ROWS)
def test_what_the_table_says_beside_its_columns(name: str):
    p = load_preset(name)
    m, t, i = p.model, p.training, p.inference
    assert isinstance(m, CltdrConfig)
    assert t
    dataset = name.split("-")[0]
    is_long = dataset in ("activitynet13", "hacs")
    assert m.regression_range == {"epic100": EPIC, "hacs": SEVEN}.get(dataset, SIX)
    assert (m.embd_layers, m.stem_blocks, m.branch_blocks) == (2, 2, 6 if dataset == "hacs" else 5)
    assert (m.head_kernel_size, m.boundary_kernel_size) == ((5, 1) if dataset == "hacs" else (3, 3))
    assert m.use_abs_pe is is_long
    assert m.init_conv_vars == {"activitynet13": 0.2, "hacs": 0.1}.get(dataset, 0.0)
    assert (m.embd_kernel_size, m.head_num_layers, m.droppath, m.cls_prior_prob) == (3, 3, 0.1, 0.01)
    assert m.embd_with_ln and m.fpn_with_ln and m.head_with_ln and m.use_trident_head  # noqa: PT018 # one fact
    assert (m.gmg_gate, m.cls_neighbors, m.reg_neighbors, m.refine, m.fusion) == (
        "identity", "above", "below", "both", "attention",
    )  # fmt: skip
    assert t.label_smoothing == (0.1 if is_long else 0.0)
    assert (t.trunc_thresh, t.crop_ratio) == (0.3 if dataset == "epic100" else 0.5, (0.9, 1.0))
    assert (t.center_sample, t.center_sample_radius, t.ema_decay, t.seed) == ("radius", 1.5, 0.999, 1234567891)
    assert i.duration_thresh_steps == (0.1 if dataset == "activitynet13" else 0.05)
    assert (i.pre_nms_thresh, i.min_score, i.nms_method, i.iou_threshold) == (0.001, 0.001, "soft", 0.1)
    assert i.multiclass_nms is (dataset != "activitynet13")
    fused = (200, 2) if dataset == "activitynet13" else (None, None)
    assert (i.fusion_keep_segments, i.fusion_top_classes) == fused
    assert p.benchmark.class_agnostic is (dataset == "activitynet13")
    assert p.weights is None
    assert p.reported
    assert p.reported.source.startswith("CLTDR-GMG, AAAI 2025, table ")


@pytest.mark.parametrize(
    ("name", "prefix", "suffix", "form", "keys"),
    [
        ("thumos14-internvideo2-6b", "", "_spatial_feature.pt", "pt", ()),
        ("epic100-noun-slowfast", "", ".npz", "npz", ("feats",)),
        ("activitynet13-tsp", "v_", ".npy", "npy", ()),
        ("hacs-slowfast", "", ".pkl", "pickle", ("slow_feature", "fast_feature")),
    ],
)
def test_published_feature_files(name: str, prefix: str, suffix: str, form: str, keys: tuple[str, ...]):
    f = load_preset(name).features
    assert (f.file_prefix, f.file_suffix, f.file_format, f.file_keys) == (prefix, suffix, form, keys)


REPORTED = {
    "thumos14-i3d": (69.9, 69.72), "thumos14-videomaev2-g": (71.8, 71.76),
    "thumos14-internvideo2-6b": (74.3, 74.26), "multithumos-i3d-rgb": (37.1, None),
    "multithumos-i3d": (42.7, None), "multithumos-videomaev2-g": (44.9, None),
    "epic100-verb-slowfast": (26.0, 26.02), "epic100-noun-slowfast": (24.5, 24.48),
    "activitynet13-tsp": (37.1, None), "hacs-i3d": (37.2, None), "hacs-slowfast": (39.3, None),
}  # fmt: skip
"""Average as printed, and the mean of the printed row where it has every threshold (thumos14-i3d's differ)."""


@pytest.mark.parametrize("name", ROWS)
def test_reported_results(name: str):
    reported = load_preset(name).reported
    assert reported
    average, mean = REPORTED[name]
    assert reported.average_map_percent == average
    values = list(reported.map_percent.values())
    assert values == sorted(values, reverse=True)
    assert len(values) in (3, 5)
    assert mean is None or sum(values) / 5 == pytest.approx(mean, abs=1e-9)


def test_the_demo_fits_its_actions():
    """Half-lengths of actions of 0.8 to 6 s, in steps of 4 frames at 25 to 30 a second, fit the ranges."""
    p = load_preset("demo")
    assert isinstance(p.model, CltdrConfig)
    shortest, longest = 0.8 / 2 * 25 / 4, 6 / 2 * 30 / 4
    assert 0 < shortest < p.model.regression_range[0][1]
    assert longest < p.model.regression_range[3][1]
    assert p.model.max_seq_len * 4 / 30 >= 60
    grid = p.features.grid(25.0)
    assert (grid.rate, grid.stride_frames, grid.window_frames) == (25.0, 4, 16)


@pytest.mark.parametrize("name", catalog.presets())
def test_features_are_those_of_our_extractor(name: str):
    from extractors.catalog import EXTRACTORS

    features = load_preset(name).features
    if features.extractor not in EXTRACTORS:  # features that are only files
        assert name.startswith(("hacs-i3d", "hacs-slowfast", "thumos14-internvideo2-6b", "ego4d", "gtea", "50salads"))
        return
    spec = EXTRACTORS[features.extractor].spec
    assert (features.width, features.window_frames) == (spec.width, spec.window_frames)
    # kinetics400 slides more coarsely, at the rate the class head was trained at; ActivityNet's I3D and that of methods
    # that learn from video labels are at 25 fps
    if not name.startswith(("kinetics400", "activitynet12", "activitynet13-i3d", *WEAK)):
        assert (features.stride_frames, features.rate) == (spec.stride_frames, spec.rate)


def test_presets_of_features_that_are_only_files_say_so_and_others_ask_for_weights(monkeypatch, tmp_path):
    from cltdr_cli.zoo.extractors import ModelSources, extractor_of

    monkeypatch.setenv("CLTDR_HOME", str(tmp_path))
    for name, extractor in (
        ("hacs-slowfast", "slowfast-r101-hacs"),
        ("thumos14-internvideo2-6b", "internvideo2-6b"),
    ):
        with pytest.raises(UsageError, match=rf"{extractor}, \d+ wide\) that cannot be extracted from video here"):
            extractor_of(load_preset(name), ModelSources())
    for name in ("activitynet13-tsp", "epic100-verb-slowfast", "epic100-noun-slowfast"):
        extractor = load_preset(name).features.extractor
        with pytest.raises(WeightsError, match=f"the weights {extractor} are not here"):
            extractor_of(load_preset(name), ModelSources())


def test_presets_need_no_torch():
    code = "import sys; from cltdr_cli.zoo.preset import load_preset; load_preset('demo'); from cltdr_cli.zoo import "
    code += "overrides, published; print([m for m in ('torch', 'numpy', 'pandas', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# the command


def test_list_names_every_preset():
    done = CliRunner().invoke(app, ["list"])
    assert done.exit_code == 0, done.output
    rows = {row.split()[0]: row for row in done.stdout.splitlines() if row.strip()}
    assert set(catalog.presets()) <= set(rows)
    assert rows["thumos14-i3d"].split() == [
        "thumos14-i3d",
        "thumos14",
        "i3d",
        "(2048)",
        "20",
        "none",
        "public",
        "69.9",
    ]


@pytest.mark.parametrize("name", catalog.presets())
def test_show_prints_the_file(name: str):
    done = CliRunner().invoke(app, ["show", name])
    assert done.exit_code == 0
    assert done.stdout == catalog.preset_path(name).read_text()


def test_show_of_an_unknown_name():
    done = CliRunner().invoke(app, ["show", "thumos14-i3"])
    assert isinstance(done.exception, PresetError)
    assert "did you mean thumos14-i3d" in done.exception.message
