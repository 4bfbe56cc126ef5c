"""cltdr sensitivity: the table and the picture of what a run learned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from training_toys import LABELS, toy_preset, toy_world

from cltdr_cli.errors import UsageError
from cltdr_cli.workflows.sensitivity import draw_sensitivity_file, read_sensitivity
from cltdr_cli.workflows.sensitivity_plot import LearnedSensitivity, draw_sensitivity


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_world(tmp_path_factory.mktemp("world"), preset=toy_preset("epochs=1", "warmup_epochs=1"))


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    """A short run with action sensitivity."""
    from typer.testing import CliRunner

    from cltdr_cli.main import app

    out = tmp_path_factory.mktemp("runs") / "asl"
    done = CliRunner().invoke(app, world.words(out, "--set", "training.sensitivity=asl"))
    assert done.exit_code == 0, done.output
    return out


def test_the_table_has_the_last_epoch_of_every_class(cltdr, run):
    done = cltdr("sensitivity", run)
    assert done.code == 0, done.err
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    last = [record for record in records if record["kind"] == "epoch"][-1]["sensitivity"]
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.split()[:1]}
    for place, name in enumerate(LABELS):
        expected = [last[key][kind][place] for kind in ("class", "start", "end") for key in ("mu", "sigma")]
        assert [float(word) for word in rows[name]] == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")])
def test_the_picture_is_written(cltdr, run, tmp_path, name, start):
    done = cltdr("sensitivity", run, "--out", tmp_path / name)
    assert done.code == 0, done.err
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == [name]


def test_other_formats_and_other_folders_are_refused(cltdr, run, world, tmp_path):
    done = cltdr("sensitivity", run, "--out", tmp_path / "a.jpg")
    assert done.code == 2
    assert ".png or .svg" in done.err
    assert "no run with a finished epoch" in cltdr("sensitivity", tmp_path).err
    assert cltdr(*world.words(tmp_path / "plain")).code == 0
    done = cltdr("sensitivity", tmp_path / "plain")
    assert done.code == 2
    assert "training.sensitivity=asl" in done.err


def test_without_matplotlib_the_reason_is_told(run, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="matplotlib"):
        draw_sensitivity_file(read_sensitivity(run), tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_curves_are_those_of_the_last_epoch():
    mu = np.array([[[0.0], [-0.5], [0.5]], [[0.25], [-0.5], [0.5]]])
    learned = LearnedSensitivity(("jump",), "paper", [1, 2], mu, np.full((2, 3, 1), 0.3))
    curves = learned.draw_curves()
    assert curves["class"].shape == curves["boundaries"].shape == (1, 101)
    assert np.argmax(curves["class"][0]) == 75
    assert curves["boundaries"][0, [0, 100]] == pytest.approx(1 + np.exp(-1 / (2 * 0.09)))


def test_many_classes_and_broken_ones_are_drawn():
    rng = np.random.default_rng(0)
    mu, sigma = rng.normal(0, 0.2, (3, 3, 60)), rng.uniform(0.1, 1, (3, 3, 60))
    sigma[2, 0, 5] = np.nan
    learned = LearnedSensitivity(tuple(f"$class {n}" for n in range(60)), "released", [1, 2, 3], mu, sigma)
    assert draw_sensitivity(learned, "png").startswith(b"\x89PNG")
