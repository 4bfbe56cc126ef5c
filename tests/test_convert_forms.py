"""cltdr convert of files as people have them: bare state dicts, wrapped names, safetensors, no averaged weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from test_file_kinds import FOREIGN
from training_processes import assert_equal_weights

from cltdr_cli.methods import METHODS, find_method
from cltdr_cli.methods.published_form import bare_name
from cltdr_cli.zoo.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def case(shared):
    return shared / "golden/localizer/thumos_like"


@pytest.fixture(scope="module")
def averaged(case):
    return torch.load(case / "checkpoint.pth.tar", weights_only=True)["state_dict_ema"]


@pytest.fixture
def convert(cltdr, case, tmp_path):
    """Write a file, convert it; gives the outcome and our checkpoint."""

    def run(content, *more, name="c.pth"):
        file = tmp_path / name
        save_file(content, file) if name.endswith(".safetensors") else torch.save(content, file)
        out = tmp_path / "ours.safetensors"
        done = cltdr("convert", file, "--config", case / "config.yaml", "--out", out, *more)
        return done, load_checkpoint(out) if done.code == 0 else None

    return run


def said(done):
    return " ".join(done.err.split())


def wrap(state, prefix):
    return {prefix + name.removeprefix("module."): value for name, value in state.items()}


@pytest.fixture(scope="module")
def expected(case, averaged):
    from cltdr_cli.zoo.convert import convert_state
    from cltdr_cli.zoo.published import preset_from_published

    return convert_state(averaged, preset_from_published(str(case / "config.yaml"), None, averaged))


@pytest.mark.parametrize(
    "prefix", ["", "module.", "module.module.", "_orig_mod.", "module._orig_mod.module.", "_orig_mod.module."]
)
def test_names_may_be_wrapped_in_any_way(convert, averaged, expected, prefix):
    done, ours = convert({"state_dict_ema": wrap(averaged, prefix)})
    assert done.code == 0, done.err
    assert_equal_weights(ours.state, expected)


def test_a_part_that_was_compiled_is_recognised(convert, averaged, expected):
    state = {name.replace("module.backbone.", "module.backbone._orig_mod."): value for name, value in averaged.items()}
    assert state.keys() != averaged.keys()
    done, ours = convert({"state_dict_ema": state})
    assert done.code == 0, done.err
    assert_equal_weights(ours.state, expected)


@pytest.mark.parametrize("name", ["bare.pth", "bare.safetensors"])
def test_tensors_without_anything_around_them(convert, averaged, expected, name):
    content = {key: value.clone() for key, value in averaged.items()}
    done, ours = convert(content, name=name)
    assert done.code == 0, done.err
    assert_equal_weights(ours.state, expected)
    assert f"{name} holds one set of weights and does not say whether they are averaged" in said(done)


def test_without_averaged_weights_it_is_said_how_to_go_on(convert, averaged, expected):
    content = {"epoch": 3, "state_dict": averaged}
    done, _ = convert(content)
    assert done.code == 1
    assert "c.pth holds no averaged weights ('state_dict_ema'), only those of the last step ('state_dict')" in said(
        done
    )
    assert "--weights raw converts them all the same" in said(done)
    done, ours = convert(content, "--weights", "raw")
    assert done.code == 0, done.err
    assert "the weights of the last step ('state_dict')" in said(done)
    assert_equal_weights(ours.state, expected)
    assert ours.facts["epoch"] == 3


def test_raw_weights_are_taken_only_where_they_are_asked_for(convert, averaged, expected):
    raw = {name: value + 1 for name, value in averaged.items()}
    content = {"epoch": torch.tensor(3), "state_dict": raw, "state_dict_ema": averaged}
    assert_equal_weights(convert(content)[1].state, expected)
    ours = convert(content, "--weights", "raw")[1].state
    torch.testing.assert_close(ours["class_head.out.conv.bias"], expected["class_head.out.conv.bias"] + 1)
    done, _ = convert({"state_dict_ema": averaged}, "--weights", "raw")
    assert done.code == 1
    assert "holds no 'state_dict' or 'model_state_dict' or 'model'" in said(done)


def test_our_own_checkpoint_needs_no_conversion(cltdr, convert, averaged, case, tmp_path):
    convert({"state_dict_ema": averaged})
    ours = tmp_path / "ours.safetensors"
    before = ours.read_bytes()
    done = cltdr("convert", ours, "--config", case / "config.yaml", "--out", tmp_path / "x.safetensors")
    assert done.code == 2
    assert "is a checkpoint of cltdr already" in said(done)
    assert ours.read_bytes() == before


def test_a_file_is_not_written_over_by_what_was_made_of_it(cltdr, averaged, case, tmp_path):
    file = tmp_path / "c.safetensors"
    save_file({name: value.clone() for name, value in averaged.items()}, file)
    before = file.read_bytes()
    done = cltdr("convert", file, "--config", case / "config.yaml", "--out", file)
    assert done.code == 2
    assert file.read_bytes() == before


def test_no_published_name_begins_like_a_wrapper():
    """Else taking wrappers off would take off more."""
    for method in METHODS:
        form = find_method(method).published
        if form is not None:
            wrapped = f"module._orig_mod.{form.parameter_prefix}backbone.x"
            assert bare_name(form, wrapped) == "backbone.x"
            assert not any(pattern.startswith(("module", "_orig")) for pattern, _ in form.parameters)


COMMANDS = {
    "convert": ("convert", "FILE", "--preset", "thumos14-i3d", "--out", "OUT"),
    "detect": ("detect", "FEATURES", "--checkpoint", "FILE"),
    "eval": ("eval", "--dataset", "custom", "--annotations", "TRUTH", "--features", "FOLDER", "--checkpoint", "FILE"),
    "weights add, detector": ("weights", "add", "thumos14-i3d", "FILE"),
    "weights add, extractor": ("weights", "add", "i3d-rgb", "FILE"),
    "extract-features": ("extract-features", "VIDEO", "--extractor", "i3d-rgb", "--weights", "FILE", "--out", "OUT"),
    "detect, extractor": ("detect", "VIDEO", "--preset", "kinetics400-i3d-rgb", "--extractor-weights", "i3d-rgb=FILE"),
}
"""Every command that takes weights."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_a_file_is_instead_of_weights(cltdr, sample_video, tmp_path, command):
    import json

    import numpy as np

    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "v.npy", np.zeros((9, 2048), np.float32))
    video = {"subset": "test", "duration": 9.0, "fps": 25.0, "annotations": [{"label": "a", "segment": [1.0, 3.0]}]}
    (tmp_path / "truth.json").write_text(json.dumps({"database": {"v": video}}))
    places = {
        "FEATURES": tmp_path / "features" / "v.npy", "FOLDER": tmp_path / "features", "TRUTH": tmp_path / "truth.json",
        "VIDEO": sample_video, "OUT": tmp_path / "out", "FILE": tmp_path / "w.pth",
    }  # fmt: skip
    for words, write in FOREIGN.items():
        write(tmp_path / "w.pth")
        given = [str(places.get(word, word)).replace("=FILE", f"={tmp_path / 'w.pth'}") for word in COMMANDS[command]]
        done = cltdr(*given)
        assert done.code == 1, (words, done.err)
        assert f"is a {words}".removeprefix("is a ") in said(done), (words, done.err)
        assert len(done.err.splitlines()) <= 16, done.err
        assert "Traceback" not in done.err
