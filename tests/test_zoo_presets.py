"""Presets: the published table, strict reading, overrides, published-form configs, the command."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cltdr_cli.commands.presets import app
from cltdr_cli.errors import PresetError, UsageError, WeightsError
from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.models.sliding_config import SlidingConfig
from cltdr_cli.zoo import catalog, overrides
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import METHODS, Preset, load_preset
from cltdr_cli.zoo.published import preset_from_published

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
EPIC = ((0, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 1e4))


def test_the_box_holds_what_it_should():
    assert set(catalog.presets()) == {*ROWS, "demo", "kinetics400-i3d-rgb", "kinetics400-videomae-base"}


@pytest.mark.parametrize("name", catalog.presets())
def test_each_reads_and_round_trips(name: str):
    preset = load_preset(name)
    assert preset.name == name
    assert isinstance(preset.model, METHODS[preset.method])
    again = Preset.from_yaml(preset.to_yaml())
    assert again == preset
    assert again.to_yaml() == preset.to_yaml()


@pytest.mark.parametrize("name", catalog.presets())
def test_labels_match_the_class_count(name: str):
    preset = load_preset(name)
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
        assert name in ("hacs-i3d", "hacs-slowfast", "thumos14-internvideo2-6b")
        return
    spec = EXTRACTORS[features.extractor].spec
    assert (features.width, features.window_frames) == (spec.width, spec.window_frames)
    if not name.startswith("kinetics400"):  # slides more coarsely, at the rate the class head was trained at
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
    code = (
        "import sys; from cltdr_cli.zoo.preset import load_preset; load_preset('demo'); from cltdr_cli.zoo import "
    )
    code += "overrides, published; print([m for m in ('torch', 'numpy', 'pandas', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DEMO = catalog.preset_path("demo").read_text()
BATCH = f"  batch_size: {load_preset('demo').training.batch_size}"
EPOCHS = f"  epochs: {load_preset('demo').training.epochs}"


def edited(old: str, new: str) -> str:
    assert DEMO.count(old) == 1, old
    return DEMO.replace(old, new)


def line_of(text: str, part: str) -> int:
    return next(number for number, content in enumerate(text.split("\n"), 1) if part in content)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("  num_bins: 8", "  num_bin: 8", "num_bin:", "unknown key 'num_bin' in model; did you mean 'num_bins'"),
        ("  num_bins: 8", "  num_bin: 8", "input_dim:", "model lacks the key 'num_bins'"),
        ("  embd_dim: 96", "  embd_dim: 96\n  embd_dim: 96", None, "'embd_dim' stands in model twice, first in "),
        (BATCH, "  batch_size: eight", "batch_size", "batch_size must be a whole number, not 'eight'"),
        (BATCH, "  batch_size: 8.0", "batch_size", "batch_size must be a whole number, not '8.0'"),
        (BATCH, "  batch_size: '8'", "batch_size", "batch_size must be a whole number"),
        (BATCH, "  batch_size:", "batch_size", "batch_size must be a whole number, not nothing"),
        (BATCH, "  batch_size: 0", "batch_size", "batch_size must be at least 1, got 0"),
        ("  learning_rate: 1e-3", "  lr: 1e-3", "lr:", "unknown key 'lr' in training; did you mean 'learn"),
        ("  learning_rate: 1e-3", "  learning_rate: .nan", "learning_rate", "must be a number, not '.nan'"),
        ("  learning_rate: 1e-3", "  learning_rate: 1:30", "learning_rate", "must be a number, not '1:30'"),
        ("  refine: both", "  refine: clas", "refine", "must be none, class, regression or both, not 'clas'; did"),
        ("  use_abs_pe: false", "  use_abs_pe: no", "use_abs_pe", "use_abs_pe must be true or false, not 'no'"),
        ("[instant, local, global]", "[instant, locale]", "gmg_branches", r"branches\[1\] must .* mean 'local'"),
        ("betas: [0.9, 0.999]", "betas: [0.9]", "betas", "betas must have 2 entries, not 1"),
        ("betas: [0.9, 0.999]", "betas: 0.9", "betas", "betas must be a list"),
        ("[48, 10000]]", "[48, 10000], [1, 2]]", "regression_range", "7 entries, but .* 6 levels"),
        ("[48, 10000]]", "[48]]", "regression_range", r"regression_range\[5\] must have 2 entries, not 1"),
        ("  fpn_dim: 96", "  fpn_dim: 64", "fpn_dim", "fpn_dim 64 must equal embd_dim 96"),
        ("  width: 256", "  width: 255", "input_dim:", "input_dim 256 is not the features' width 255"),
        ("method: cltdr", "method: cltd", "method", "method must be cltdr or sliding, not 'cltd'; did"),
        ("labels: demo", "labels: 5", "labels: 5", "labels must be text or null"),
        ("  class_agnostic: false", "  class_agnostic: true", "num_classes:", "num_classes must be 1"),
        ("summary: Eight", "summary: 5 # Eight", "summary", "summary must be text, not '5' .put quotes"),
        ("benchmark:\n", "benchmark: 3\nmore:\n", "benchmark", "benchmark must be a mapping"),
        ("license: MIT", "license: !!python/name:os.system", "license", "license must be text"),
        ("license: MIT", "licence: MIT", "licence", "unknown key 'licence' in the preset; did you mean 'license'"),
        ("license: MIT", "license: MIT: 3", "license", "not YAML"),
        ("license: MIT", "license: MIT\n<<: {a: 1}", "<<", "unknown key '<<'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, old: str, new: str, where: str, message: str):
    path = tmp_path / "mine.yaml"
    path.write_text(edited(old, new))
    with pytest.raises(PresetError) as caught:
        load_preset(path)
    found = [line for line in caught.value.message.split("\n") if re.search(message, line)]
    assert len(found) == 1, caught.value.message
    assert where is None or found[0].startswith(f"{path}:{line_of(path.read_text(), where)}: "), found


def test_all_problems_come_at_once(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(edited("  num_bins: 8", "  bins: eight").replace(EPOCHS, "  epochs: many"))
    with pytest.raises(PresetError) as caught:
        load_preset(path)
    lines = caught.value.message.split("\n")
    text = path.read_text()
    assert len(lines) == 3
    assert lines[0] == f"{path}:{line_of(text, 'input_dim')}: model lacks the key 'num_bins'"
    assert f"{path}:{line_of(text, 'bins: eight')}: unknown key 'bins' in model; did you mean 'num_bins'?" in lines
    assert f"{path}:{line_of(text, 'epochs: many')}: epochs must be a whole number, not 'many'" in lines
    assert "presets show" in caught.value.hint


@pytest.mark.parametrize("key", [f.name for f in dataclasses.fields(CltdrConfig)])
def test_no_key_may_be_missing(key: str):
    lines = [text for text in DEMO.split("\n") if not text.startswith(f"  {key}:")]
    with pytest.raises(PresetError, match=f"model lacks the key '{key}'"):
        Preset.from_yaml("\n".join(lines))


@pytest.mark.parametrize("name", catalog.presets())
def test_each_preset_in_the_box_says_its_flow(name: str):
    features = yaml.safe_load(catalog.preset_path(name).read_text())["features"]
    assert features["flow"] == ("tvl1" if features["extractor"] == "i3d" else None)


def test_presets_inside_older_checkpoints_do_not_know_of_flow():
    lines = [text for text in DEMO.split("\n") if not text.startswith("  flow:")]
    assert len(lines) == len(DEMO.split("\n")) - 1
    assert Preset.from_yaml("\n".join(lines)) == load_preset("demo")
    with pytest.raises(PresetError, match="flow must be tvl1 or raft, not 'pwc'"):
        Preset.from_yaml(DEMO.replace("  flow: null", "  flow: pwc"))


def test_forced_features_keep_width_grid_and_files():
    ours = load_preset("thumos14-i3d").features
    forced = ours.of_any_kind()
    assert (ours.takes_any_kind, forced.takes_any_kind) == (False, True)
    assert dataclasses.replace(forced, extractor="i3d", flow="tvl1") == ours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n", "the file is empty"),
        ("[1, 2]\n", "must be a mapping"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("a: [1\n", r"preset:2: not YAML"),
        ("[" * 5000 + "\n", "not YAML"),
        ("a: &x [*x]\n", "unknown key"),
        ("? [a]\n: 1\n", "a key of the preset must be a word"),
        ("\x00\n", "not YAML"),
    ],
)
def test_files_that_are_no_presets(text: str, message: str):
    with pytest.raises(PresetError, match=message):
        Preset.from_yaml(text)


def test_unreadable_files(tmp_path: Path):
    with pytest.raises(PresetError, match="No such file"):
        load_preset(tmp_path / "none.yaml")
    with pytest.raises(PresetError, match="directory"):
        load_preset(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PresetError, match="no text file"):
        load_preset(tmp_path / "binary.yaml")


def test_a_mistyped_name_is_answered_with_the_nearest():
    with pytest.raises(PresetError, match=r"no preset 'thumos14-i3'; did you mean thumos14-i3d"):
        load_preset("thumos14-i3")
    with pytest.raises(PresetError, match=r"no preset 'zzz'\n"):
        catalog.preset_path("zzz")
    with pytest.raises(PresetError, match="no preset ''"):
        load_preset("")


def test_words_that_look_like_numbers_survive_the_round_trip():
    preset = dataclasses.replace(
        load_preset("demo"), name="1e-4", summary="true", source="a\nb: [", license="null"
    )
    assert Preset.from_yaml(preset.to_yaml()) == preset


def test_methods_and_sections_belong_together():
    demo, sliding = load_preset("demo"), load_preset("kinetics400-i3d-rgb")
    assert isinstance(sliding.model, SlidingConfig)
    with pytest.raises(ValueError, match="does not go with"):
        dataclasses.replace(demo, method="sliding")
    with pytest.raises(ValueError, match="must not be null"):
        dataclasses.replace(demo, training=None)
    with pytest.raises(ValueError, match="must be null for sliding"):
        dataclasses.replace(sliding, training=demo.training)


# --set


def test_overrides_by_section_or_by_bare_key():
    demo = load_preset("demo")
    changed = with_overrides(
        demo,
        ["training.epochs=3", "learning_rate=5e-4", "clip_grad_l2norm=null", "gmg_gate=relu", "file_prefix=",
         "model.gmg_branches=[local]", "crop_ratio=[0.5, 1]", "summary=mine"],
    )  # fmt: skip
    assert changed.training == dataclasses.replace(
        demo.training, epochs=3, learning_rate=5e-4, clip_grad_l2norm=None, crop_ratio=(0.5, 1.0)
    )
    assert changed.model == dataclasses.replace(demo.model, gmg_gate="relu", gmg_branches=("local",))
    assert changed.summary == "mine"
    assert (demo.training.epochs, demo.name) == (load_preset("demo").training.epochs, changed.name)
    assert with_overrides(demo, []) == demo
    assert Preset.from_yaml(changed.to_yaml()) == changed


def test_overrides_that_belong_together():
    demo = load_preset("demo")
    with pytest.raises(PresetError, match="--set: fpn_dim 96 must equal embd_dim 64"):
        with_overrides(demo, ["embd_dim=64"])
    changed = with_overrides(demo, ["embd_dim=64", "fpn_dim=64", "input_dim=512", "width=512"])
    assert isinstance(changed.model, CltdrConfig)
    assert (changed.model.embd_dim, changed.features.width) == (64, 512)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lr=1", r"--set train\.lr: there is no such key; did you mean 'training\.learning_rate'\?"),
        ("lr=1", r"did you mean 'training\.learning_rate'\?"),
        ("training.epoch=3", r"did you mean 'training\.epochs'\?"),
        ("epcohs=3", r"did you mean 'training\.epochs'\?"),
        ("model.epochs=3", r"model\.epochs: there is no such key; did you mean 'training\.epochs'\?"),
        ("training=null", "there is no such key"),
        ("method=sliding", "there is no such key"),
        ("training.epochs", "there is no value"),
        ("training.epochs=three", "the value must be a whole number, not 'three'"),
        ("training.epochs=", "must be a whole number, not 'null'"),
        ("training.epochs=0", "--set: epochs must be at least 1, got 0"),
        ("training.epochs=[1", "not YAML"),
        ("gmg_gate=rellu", "must be identity, relu or none, not 'rellu'; did you mean 'relu'"),
        ("regression_range=[[0, 4]]", "regression_range has 1 entries"),
    ],
)
def test_wrong_overrides_are_named(setting: str, message: str):
    with pytest.raises(PresetError, match=message):
        with_overrides(load_preset("demo"), [setting])


def test_ambiguous_bare_keys_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(overrides, "_keys", lambda preset: [("model", "labels"), ("benchmark", "labels")])
    with pytest.raises(
        PresetError, match=r"(?s)several sections have this key.*model\.labels or benchmark\.labels"
    ):
        overrides.with_overrides(load_preset("demo"), ["labels=x"])


# published-form configs

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
    minimal = (
        "dataset: {input_dim: 8, num_classes: 3, max_seq_len: 96}\nmodel: {n_sgp_win_size: 3, sgp_mlp_dim: 64}\n"
    )
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
    text = PUBLISHED.replace(
        "  n_sgp_win_size: 1\n", "  n_sgp_win_size: [1, 1, 3, 5, 5, 7]\n  backbone_type: conv\n"
    )
    text = text.replace("clip_grad_l2norm: 1.0", "clip_grad_l2norm: -1").replace(
        "file_ext: .npy", "file_ext: _f.pt"
    )
    text = text.replace("opt: {", "opt: {type: AdamW, schedule_type: cosine, warmup: false, ")
    text = text.replace("k: 5\n", "k: 5\n  boudary_kernel_size: 1\n  downsample_type: avg\n")
    path = tmp_path / "thumos_i3d_vflloss.yaml"
    path.write_text(
        text.replace("test_cfg:\n", "test_cfg:\n  ext_score_file: scores.json\n  duration_thresh: 0.1\n")
    )
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
        ("  k: 5", "  kk: 5\n  n_head: 4", "(?s)unknown key 'model.kk'.*unknown key 'model.n_head'"),
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
            "  k: 5\n  backbone_type: convTransformer",
            "'convTransformer' is not supported, only SGP or conv",
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
