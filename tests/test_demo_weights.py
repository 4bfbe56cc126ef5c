"""The two files in the box: small, as the manifest says, loadable, and honest about what they are."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bundle import EXTRACTOR, LOCALIZER, install, locate_file, make_manifest_entries, write_untrained
from cltdr_cli.demo.actions import LABELS
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.zoo.checkpoint import load_checkpoint
from cltdr_cli.zoo.digests import file_digests
from cltdr_cli.zoo.extractors import ModelSources, load_extractor
from cltdr_cli.zoo.load import load_detector
from cltdr_cli.zoo.manifest import entry
from report import write_page

BUILD = str(Path(__file__).parent.parent / "examples" / "bundled_model" / "build.py")
BUNDLED = Path(str(resources.files("cltdr_cli.weights"))) / "bundled"
MEGABYTES = 1_000_000


@pytest.mark.parametrize("name", [EXTRACTOR, LOCALIZER])
def test_the_manifest_knows_the_file(name):
    path, found = locate_file(BUNDLED, name), entry(name)
    assert found.url is None
    assert found.bytes == path.stat().st_size
    assert found.digests == {"sha256": file_digests(path)["sha256"]}


def test_both_files_are_small():
    assert sum(locate_file(BUNDLED, name).stat().st_size for name in (EXTRACTOR, LOCALIZER)) <= 6 * MEGABYTES


def test_the_detector_loads_and_says_what_it_is():
    detector = load_detector("demo")
    assert any("drawn figures only" in notice for notice in detector.notices)
    assert tuple(label.removeprefix("untrained: ") for label in detector.labels) == LABELS
    assert detector.trained is load_checkpoint(locate_file(BUNDLED, LOCALIZER)).facts["trained"]
    features = np.random.default_rng(0).normal(size=(60, 256)).astype(np.float32)
    found = detector.localizer(FeatureSequence(features, FeatureGrid(25.0, 4, 16), 10.0, "v"))
    assert np.isfinite(found.segments_seconds).all()


def test_a_checkpoint_of_ones_own_with_its_preset_is_not_called_bundled():
    assert load_detector(checkpoint=locate_file(BUNDLED, LOCALIZER)).notices == ()


def test_the_extractor_loads_with_its_class_head():
    head = load_extractor("demo", ModelSources()).extractor.class_head()
    assert head is not None
    assert (head.in_features, head.out_features) == (256, 9)


def test_the_same_seed_gives_the_same_untrained_files(tmp_path):
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_untrained(tmp_path / folder, seed)
    for name in (EXTRACTOR, LOCALIZER):
        a, b, c = (load_file(locate_file(tmp_path / folder, name)) for folder in "abc")
        assert all(torch.equal(value, b[key]) for key, value in a.items())
        assert any(not torch.equal(value, c[key]) for key, value in a.items())


def test_an_untrained_model_says_so_in_every_label(tmp_path):
    write_untrained(tmp_path, 3)
    detector = load_detector(checkpoint=locate_file(tmp_path, LOCALIZER))
    assert not detector.trained
    assert all(label.startswith("untrained: ") for label in detector.labels)


def test_installing_keeps_the_other_entries(tmp_path):
    package = tmp_path / "weights"
    package.mkdir()
    (package / "manifest.json").write_text(json.dumps({"other": {"file": "x"}, "demo": {"file": "old"}}))
    write_untrained(tmp_path / "built", 3)
    install(tmp_path / "built", package)
    content = json.loads((package / "manifest.json").read_text())
    assert list(content) == ["other", EXTRACTOR, LOCALIZER]
    assert (
        content[LOCALIZER]["digests"]["sha256"] == file_digests(locate_file(package / "bundled", LOCALIZER))["sha256"]
    )


@pytest.mark.slow
def test_a_small_build_goes_through_all_stages_and_keeps_what_is_finished(tmp_path):
    words = [sys.executable, BUILD, str(tmp_path), "--small", "3", "--workers", "1"]
    for _ in range(2):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["test"]["videos"] == 3
    assert 0 <= results["test"]["average_mAP"] <= 1
    assert load_checkpoint(locate_file(tmp_path, LOCALIZER)).facts["trained"] is True


def test_the_page_of_results_is_the_one_that_the_build_writes():
    results = json.loads((BUNDLED / "results.json").read_text())
    assert (BUNDLED / "README.md").read_text() == write_page(results, make_manifest_entries(BUNDLED))


def test_the_script_writes_untrained_weights(tmp_path):
    words = [sys.executable, BUILD, str(tmp_path), "--untrained", "--seed", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not load_detector(checkpoint=locate_file(tmp_path, LOCALIZER)).trained
