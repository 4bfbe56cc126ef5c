"""Presets are read strictly, problems named with file and line; values are overridden one by one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from cltdr_cli.errors import PresetError
from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.zoo import catalog, overrides
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset

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
        ("method: cltdr", "method: cltd", "method", "there is no method 'cltd'; did you mean 'cltdr'"),
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
    preset = dataclasses.replace(load_preset("demo"), name="1e-4", summary="true", source="a\nb: [", license="null")
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
    with pytest.raises(PresetError, match="settings: fpn_dim 96 must equal embd_dim 64"):
        with_overrides(demo, ["embd_dim=64"])
    changed = with_overrides(demo, ["embd_dim=64", "fpn_dim=64", "input_dim=512", "width=512"])
    assert isinstance(changed.model, CltdrConfig)
    assert (changed.model.embd_dim, changed.features.width) == (64, 512)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lr=1", r"setting train\.lr: there is no such key; did you mean 'training\.learning_rate'\?"),
        ("lr=1", r"did you mean 'training\.learning_rate'\?"),
        ("training.epoch=3", r"did you mean 'training\.epochs'\?"),
        ("epcohs=3", r"did you mean 'training\.epochs'\?"),
        ("model.epochs=3", r"model\.epochs: there is no such key; did you mean 'training\.epochs'\?"),
        ("training=null", "there is no such key"),
        ("method=sliding", "there is no such key"),
        ("training.epochs", "there is no value"),
        ("training.epochs=three", "the value must be a whole number, not 'three'"),
        ("training.epochs=", "must be a whole number, not 'null'"),
        ("training.epochs=0", "setting training.epochs=0: the value must be at least 1, got 0"),
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
    with pytest.raises(PresetError, match=r"(?s)several sections have this key.*model\.labels or benchmark\.labels"):
        overrides.with_overrides(load_preset("demo"), ["labels=x"])
