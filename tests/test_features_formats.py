"""One contract for every format of feature files: whole or not at all, equal when read back, nothing ever run."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
import zarr

from cltdr_cli.errors import FeatureError, OutputError, UsageError
from cltdr_cli.features import formats
from cltdr_cli.features.arrays import read_array
from cltdr_cli.features.formats import WRITERS, digest_array
from cltdr_cli.features.headers import read_stored_header
from cltdr_cli.features.sidecar import Recipe, read_sidecar, sidecar_path
from cltdr_cli.features.store import explain_unfinished, feature_path, load_features, make_sidecar, save_features
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.video.frames import FrameTiming

RECIPE = Recipe(
    extractor="demo", weights_digest="ab" * 32, transform="squash to 112", layer="mean", precision="fp32",
    stride_frames=4, window_frames=16, requested_fps=None, source="clip \udcff.mp4", source_size=123,
    source_mtime=1.7e9 + 0.1,
)  # fmt: skip
STEPS = 2500  # three chunks of a zarr store, the last one partly filled
TIMING = FrameTiming(25.0, 16 + 4 * (STEPS - 1), 0.25, 400.5, ((0.0, 0.25), (9000.0, 360.25)))
each_format = pytest.mark.parametrize("name", WRITERS)


def array(steps=STEPS, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, 8)).astype(np.float32)


def stored(folder, name, features=None, recipe=RECIPE):
    features = array() if features is None else features
    sequence = FeatureSequence(features, FeatureGrid(25.0, 4, 16), TIMING.duration_seconds, "clip", "demo")
    return save_features(folder, sequence, make_sidecar(sequence, recipe, TIMING, "pyav"), name)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def files_of(path):
    """The file, or all files of a store that hold something."""
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [p for p in found if p.name not in (".zattrs", ".zgroup")]


# the contract


@each_format
def test_what_is_stored_reads_back_bit_for_bit(tmp_path, name):
    path = stored(tmp_path, name)
    assert names_in(tmp_path) == sorted(["clip.json", path.name])
    assert path == feature_path(tmp_path, "clip", name)
    assert read_stored_header(path) == ((STEPS, 8), np.dtype("<f4"))
    loaded = load_features(path)
    assert loaded.features.tobytes() == array().tobytes()
    assert loaded.grid == FeatureGrid(25.0, 4, 16, 0.25, TIMING.knots)
    assert explain_unfinished(tmp_path, "clip", RECIPE, name) == ""
    assert "extractor is demo" in explain_unfinished(tmp_path, "clip", replace(RECIPE, extractor="i3d"), name)
    sidecar = read_sidecar(sidecar_path(path))
    assert (sidecar.file_format, sidecar.array_sha256) == (name, digest_array(array()))


def test_other_programs_read_them(tmp_path):
    for name in WRITERS:
        stored(tmp_path, name)
    assert np.array_equal(np.load(tmp_path / "clip.npy"), array())
    with np.load(tmp_path / "clip.npz") as archive:
        assert archive.files == ["feats"]
        assert np.array_equal(archive["feats"], array())
    assert np.array_equal(torch.load(tmp_path / "clip.pt", weights_only=True).numpy(), array())
    with h5py.File(tmp_path / "clip.h5") as file:
        assert np.array_equal(file["feats"], array())
        assert (file["feats"].attrs["stride"], file["feats"].attrs["fps"]) == (4, 25.0)
        assert file["feats"].attrs["extractor"] == "demo"
    group = zarr.open_group(str(tmp_path / "clip.zarr"), mode="r")
    assert np.array_equal(group["feats"][...], array())
    assert group["feats"].attrs["window"] == 16


@each_format
def test_features_of_another_layout_in_memory_are_stored_row_by_row(tmp_path, name):
    features = np.asfortranarray(array(7))[::-1]
    path = stored(tmp_path, name, features)
    assert np.array_equal(read_array(path), features)
    assert read_sidecar(sidecar_path(path)).array_sha256 == digest_array(np.ascontiguousarray(features))


@each_format
def test_a_new_file_takes_the_place_of_the_old(tmp_path, name):
    stored(tmp_path, name)
    path = stored(tmp_path, name, array(5, seed=1))
    assert np.array_equal(read_array(path), array(5, seed=1))
    assert names_in(tmp_path) == sorted(["clip.json", path.name])


@each_format
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_writer_that_fails_midway_leaves_nothing_new(tmp_path, monkeypatch, name, error):
    form = WRITERS[name]

    def failing(path, features, sidecar):
        form.write(path, features, sidecar)
        raise error

    monkeypatch.setitem(formats.WRITERS, name, replace(form, write=failing))
    with pytest.raises((error, OutputError)):
        stored(tmp_path, name)
    assert names_in(tmp_path) == []
    monkeypatch.undo()
    path = stored(tmp_path, name)
    monkeypatch.setitem(formats.WRITERS, name, replace(form, write=failing))
    with pytest.raises((error, OutputError)):
        stored(tmp_path, name, array(STEPS, seed=1))
    assert np.array_equal(read_array(path), array())
    assert explain_unfinished(tmp_path, "clip", RECIPE, name) == ""


@each_format
def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing(tmp_path, name):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutputError, match=r"clip.*cannot be written: File too large"):
            stored(tmp_path, name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == []


@each_format
def test_cut_and_emptied_files_are_not_finished(tmp_path, name):
    path = stored(tmp_path, name)
    for part in files_of(path):
        whole = part.read_bytes()
        for rest in (whole[:-1], whole[: len(whole) // 2], b"", b"hello, world"):
            part.write_bytes(rest)
            assert explain_unfinished(tmp_path, "clip", RECIPE, name) == f"{path.name} is not whole", (part, len(rest))
            with pytest.raises(FeatureError, match=r"clip\.|feats"):
                read_array(path)
        part.write_bytes(whole)
    assert explain_unfinished(tmp_path, "clip", RECIPE, name) == ""


@each_format
def test_an_array_of_another_video_is_not_finished(tmp_path, name):
    path = stored(tmp_path / "a", name)
    other = stored(tmp_path / "b", name, array(9))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    other.rename(path)
    assert explain_unfinished(tmp_path / "a", "clip", RECIPE, name) == f"{path.name} is not whole"


@each_format
def test_files_that_are_gone_are_not_finished(tmp_path, name):
    path = stored(tmp_path, name)
    for part in files_of(path):
        whole = part.read_bytes()
        part.unlink()
        assert explain_unfinished(tmp_path, "clip", RECIPE, name) != ""
        with pytest.raises(FeatureError):
            read_array(path)
        part.write_bytes(whole)


def test_a_sidecar_marks_the_file_of_its_own_format(tmp_path):
    stored(tmp_path, "npy")
    stored(tmp_path, "npz", array(seed=1), replace(RECIPE, weights_digest="cd" * 32))
    reason = explain_unfinished(tmp_path, "clip", replace(RECIPE, weights_digest="cd" * 32))
    assert reason == "the sidecar is that of the npz file"


def test_sidecars_of_older_versions_are_read(tmp_path):
    path = stored(tmp_path, "npy")
    content = json.loads(sidecar_path(path).read_text())
    del content["array_sha256"], content["file_format"]
    sidecar_path(path).write_text(json.dumps(content))
    assert explain_unfinished(tmp_path, "clip", RECIPE) == ""


def test_unknown_formats_and_missing_packages_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no feature format named") as caught:
        stored(tmp_path, "mat")
    assert "npy, npz, pt, hdf5, zarr" in caught.value.hint
    for name, package in (("hdf5", "h5py"), ("zarr", "zarr")):
        path = stored(tmp_path, name)
        monkeypatch.setitem(__import__("sys").modules, package, None)
        for work in (lambda name=name: stored(tmp_path, name), lambda path=path: read_array(path)):
            with pytest.raises(UsageError, match=package) as caught:
                work()
            assert "cltdr-cli[formats]" in caught.value.hint
        monkeypatch.undo()


# files of strangers: HDF5


@pytest.fixture
def secret(tmp_path):
    """Another file of this machine, whose numbers must not come out."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["feats"] = array(3)
    array(3).tofile(tmp_path / "secret.raw")
    return tmp_path


def external_link(file, folder):
    file["feats"] = h5py.ExternalLink(str(folder / "secret.h5"), "/feats")


def soft_link(file, folder):
    file["other"] = array(3)
    file["feats"] = h5py.SoftLink("/other")


def external_numbers(file, folder):
    file.create_dataset("feats", (3, 8), "f4", external=[(str(folder / "secret.raw"), 0, 96)])


def virtual(file, folder):
    layout = h5py.VirtualLayout((3, 8), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "feats", (3, 8))
    file.create_virtual_dataset("feats", layout)


def objects(file, folder):
    file.create_dataset("feats", (3, 8), h5py.string_dtype())


def references(file, folder):
    file.create_dataset("feats", (3, 8), h5py.ref_dtype)


def plug_in(file, folder):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((3, 8))
    properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    h5py.h5d.create(file.id, b"feats", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((3, 8)), properties)


@pytest.mark.parametrize("make", [external_link, soft_link, external_numbers, virtual, objects, references, plug_in])
def test_hdf5_that_leads_elsewhere_is_refused(secret, make):
    path = secret / "x.h5"
    with h5py.File(path, "w") as file:
        make(file, secret)
    for reader in (read_array, read_stored_header):
        with pytest.raises(FeatureError, match=r"x\.h5: refused"):
            reader(path)


def test_hdf5_that_claims_more_than_it_holds_does_not_fill_the_memory(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("feats", (10**9, 2048), "f4", chunks=(1024, 2048), compression="gzip")
    with pytest.raises(FeatureError, match="lacks its numbers"):
        read_array(tmp_path / "x.h5")


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}]
)
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_hdf5_of_others(tmp_path, dtype, options):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.create_dataset("features", data=array(20).astype(dtype), **options)
        file.create_dataset("frames", data=np.arange(20))
        file.create_group("meta")
    assert np.array_equal(read_array(tmp_path / "x.hdf5"), array(20).astype(dtype).astype("f4"))


# files of strangers: zarr


def changed(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def zarr_pickled(store):
    changed(store / "feats/.zarray", dtype="|O", filters=[{"id": "pickle", "protocol": 5}])


def zarr_plug_in(store):
    changed(store / "feats/.zarray", compressor={"id": "mine"})


def zarr_json_objects(store):
    changed(store / "feats/.zarray", filters=[{"id": "json2"}])


def zarr_structured(store):
    changed(store / "feats/.zarray", dtype=[["a", "<f4"]])


def zarr_link(store):
    (store / "feats/0.0").unlink()
    (store / "feats/0.0").symlink_to("/etc/hostname")


def zarr_second_metadata(store):
    """The version-3 description beside an innocent one of version 2: the library takes the newer."""
    text = {"zarr_format": 3, "node_type": "array", "shape": [3, 8], "data_type": "float32", "codecs": ["pickle"]}
    (store / "feats/zarr.json").write_text(json.dumps(text))


@pytest.mark.parametrize(
    "make",
    [zarr_pickled, zarr_plug_in, zarr_json_objects, zarr_structured, zarr_link, zarr_second_metadata],
)
def test_zarr_that_needs_more_than_numbers_is_refused(tmp_path, make):
    path = stored(tmp_path, "zarr")
    make(path)
    for reader in (read_array, read_stored_header):
        with pytest.raises(FeatureError, match="refused"):
            reader(path)


def test_a_pickle_in_a_chunk_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = stored(tmp_path, "zarr", array(1))
    zarr_pickled(path)
    (path / "feats/0.0").write_bytes(pickle.dumps(np.array([[Evil()]], object)))
    with pytest.raises(FeatureError, match="refused"):
        read_array(path)
    assert not (tmp_path / "ran").exists()


def test_zarr_that_claims_more_than_it_holds_does_not_fill_the_memory(tmp_path):
    path = stored(tmp_path, "zarr", array(1))
    changed(path / "feats/.zarray", shape=[10**12, 8])
    with pytest.raises(FeatureError, match="lacks its numbers"):
        read_array(path)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_of_others(tmp_path, version):
    alone, group = tmp_path / "a.zarr", tmp_path / "b.zarr"
    zarr.save_array(str(alone), array(20), zarr_format=version)
    zarr.save_group(str(group), features=array(20).astype("f8"), frames=np.arange(20), zarr_format=version)
    assert np.array_equal(read_array(alone), array(20))
    assert np.array_equal(read_array(group), array(20))
    assert read_stored_header(group) == ((20, 8), np.dtype("f8"))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"shape": 3}', '{"shape": [-1, 2], "dtype": "<f4"}'])
def test_damaged_zarr_metadata(tmp_path, text):
    path = stored(tmp_path, "zarr")
    (path / "feats/.zarray").write_text(text)
    with pytest.raises(FeatureError):
        read_array(path)
    assert explain_unfinished(tmp_path, "clip", RECIPE, "zarr") == "clip.zarr is not whole"
