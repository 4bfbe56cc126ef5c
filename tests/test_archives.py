"""cltdr datasets import: MATLAB files after the public archive's form, as folder, zip and tar; wrong ones are named."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from evaluation_runs import flat, run

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.segmentation_archives import ARCHIVES, find_archive, read_archive
from cltdr_cli.errors import AnnotationError, CltdrError, FeatureError, UsageError

scipy_io = pytest.importorskip("scipy.io", reason="needs the extra: matlab")


def matlab(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, arrays)
    return buffer.getvalue()


LABELS = np.repeat([0, 3, 10, 0, 1], [6, 9, 3, 5, 7])
FEATURES = np.random.default_rng(0).normal(size=(30, 128)).astype(np.float32)


def gtea_files() -> dict[str, bytes]:
    """Two persons; one file has a feature per frame, the other one for every third, turned over."""
    extra = {"S": np.zeros((30, 4)), "A": np.zeros((30, 11))}
    return {
        "GTEA/SpatialCNN/Split_2/S1_Tea_C1.mat": matlab(X=FEATURES, Y=LABELS[:, None], **extra),
        "GTEA/SpatialCNN/Split_2/S2_Tea_C1.mat": matlab(X=FEATURES[::3].T, Y=LABELS[None], **extra),
        "GTEA/SpatialCNN/Split_1/S1_Tea_C1.mat": matlab(X=FEATURES + 1, Y=LABELS[:, None]),
        "GTEA/SpatialCNN/Split_2/readme.txt": b"not a video",
    }


@pytest.fixture(params=["folder", "zip", "tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    files, path = {f"AP_TCN-1/features/{name}": data for name, data in gtea_files().items()}, tmp_path / "archive"
    if request.param == "folder":
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path / "AP_TCN-1"
    path = path.with_suffix(f".{request.param}")
    if request.param == "zip":
        with zipfile.ZipFile(path, "w") as made:
            for name, data in files.items():
                made.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz") as made:
        for name, data in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(data)
            made.addfile(item, io.BytesIO(data))
    return path


def test_an_archive_becomes_features_and_annotation(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("datasets", "import", archive, "--dataset", "gtea", "--split", 2, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "1 training, 1 test; 6 instances" in flat(done.stderr)
    assert "has 2 videos of split 2; the data set has 28" in flat(done.stderr)
    for name in ("S1_Tea_C1", "S2_Tea_C1"):
        features = np.load(out / "features" / f"{name}.npy")
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, FEATURES[::3])
    read = read_annotations(out / "annotations.json")
    assert {name: video.split for name, video in read.videos.items()} == {"S1_Tea_C1": "training", "S2_Tea_C1": "test"}
    video = read.videos["S1_Tea_C1"]
    assert (video.fps, video.duration_seconds) == (15.0, 2.0)
    assert [item[:3] for item in video.instances] == [
        (0.4, 1.0, "action-03"), (1.0, 1.2, "action-10"), (1.5333, 2.0, "action-01"),
    ]  # fmt: skip


def test_what_is_there_stays_unless_it_is_to_be_replaced(archive: Path, tmp_path: Path) -> None:
    words = ["datasets", "import", archive, "--dataset", "gtea", "--split", 2, "--out", tmp_path / "out"]
    assert run(*words).exit_code == 0
    kept = (tmp_path / "out/annotations.json").read_bytes()
    again = run(*words)
    assert again.exit_code == 2
    assert run(*words, "--overwrite").exit_code == 0
    assert (tmp_path / "out/annotations.json").read_bytes() == kept


def test_50salads_has_a_label_for_each_feature(tmp_path: Path) -> None:
    folder = tmp_path / "50Salads/SpatialCNN_mid/Split_1"
    folder.mkdir(parents=True)
    (folder / "rgb-06-1.avi.mat").write_bytes(matlab(X=FEATURES, Y=LABELS))
    (folder / "rgb-01-2.avi.mat").write_bytes(matlab(X=FEATURES, Y=LABELS))
    videos = list(read_archive(tmp_path, find_archive("50salads", 1), 1))
    assert [(video.video_id, video.subset, len(video.features)) for video in videos] == [
        ("01-2", "training", 30), ("06-1", "test", 30),
    ]  # fmt: skip
    assert videos[0].annotation["duration"] == 12.0
    assert videos[0].annotation["annotations"][0] == {"label": "action-03", "segment": [2.4, 6.0]}


@pytest.mark.parametrize("data_set", ARCHIVES)
def test_splits_are_those_of_the_shared_annotations(shared: Path, data_set: str) -> None:
    folder = shared / "data/real-features" / {"gtea": "gtea", "50salads": "50salads-mid"}[data_set]
    for split, persons in enumerate(ARCHIVES[data_set].test_persons, 1):
        videos = json.loads((folder / f"split-{split}/annotations.json").read_text())["database"]
        assert len(videos) == ARCHIVES[data_set].split_videos
        for name, video in videos.items():
            assert (video["subset"] == "test") == name.startswith(tuple(persons)), (split, name)


GOOD = matlab(X=FEATURES, Y=LABELS)
BAD = {
    "truncated": (GOOD[: len(GOOD) // 2], FeatureError, r"S1_Tea_C1\.mat cannot be read as a MATLAB file"),
    "empty": (b"", FeatureError, "cannot be read as a MATLAB file"),
    "text": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", FeatureError, "cannot be read"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(200), FeatureError, "cannot be read as a MATLAB file"),
    "no labels": (matlab(X=FEATURES), AnnotationError, r"S1_Tea_C1\.mat has no labels Y"),
    "two labels a frame": (matlab(X=FEATURES, Y=np.zeros((30, 2))), AnnotationError, "has no labels Y"),
    "labels of halves": (matlab(X=FEATURES, Y=LABELS + 0.5), AnnotationError, "not whole numbers"),
    "labels below 0": (matlab(X=FEATURES, Y=LABELS - 1), AnnotationError, "not whole numbers"),
    "labels as text": (matlab(X=FEATURES, Y="take"), AnnotationError, "has no labels Y"),
    "other width": (matlab(X=FEATURES[:, :64], Y=LABELS), FeatureError, "no finite features of 128 channels"),
    "other length": (matlab(X=FEATURES[:20], Y=LABELS), FeatureError, "for its 30 labels"),
    "not finite": (matlab(X=FEATURES * np.nan, Y=LABELS), FeatureError, "no finite features"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    content, kind, message = BAD[case]
    source = tmp_path / "Split_1"
    source.mkdir()
    (source / "S1_Tea_C1.mat").write_bytes(content)
    with pytest.raises(kind, match=message):
        list(read_archive(source, find_archive("gtea", 1), 1))
    done = run("datasets", "import", source, "--dataset", "gtea", "--split", 1, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_was_there_stays_when_an_import_fails(tmp_path: Path) -> None:
    out, text = tmp_path / "out", tmp_path / "text.zip"
    out.mkdir()
    text.write_text("no archive")
    done = run("datasets", "import", text, "--dataset", "gtea", "--split", 1, "--out", out)
    assert done.exit_code == 1
    assert "neither a .zip nor a .tar file" in flat(done.stderr)
    assert list(out.iterdir()) == []
    done = run("datasets", "import", tmp_path / "no.zip", "--dataset", "gtea", "--split", 1, "--out", tmp_path / "new")
    assert "there is no" in flat(done.stderr)
    assert not (tmp_path / "new").exists()


def test_an_archive_under_a_password_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("GTEA/SpatialCNN/Split_1/S1_Tea_C1.mat", b"x")
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # Python writes none: the flag says "encrypted"
        data[data.index(header) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(FeatureError, match=r"secret\.zip cannot be read: .* password"):
        list(read_archive(path, find_archive("gtea", 1), 1))


def test_the_folder_of_another_split_is_refused(tmp_path: Path) -> None:
    """Its features have seen other training videos."""
    folder = tmp_path / "Split_1"
    folder.mkdir()
    (folder / "S1_Tea_C1.mat").write_bytes(matlab(X=FEATURES, Y=LABELS[:, None]))
    with pytest.raises(FeatureError, match="folder of another split than Split_2"):
        list(read_archive(folder, find_archive("gtea", 2), 2))
    assert len(list(read_archive(folder, find_archive("gtea", 1), 1))) == 1


def test_two_files_of_one_video_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as made:
        for place in ("a", "b"):
            made.writestr(f"{place}/GTEA/SpatialCNN/Split_1/S1_Tea_C1.mat", matlab(X=FEATURES, Y=LABELS[:, None]))
    with pytest.raises(FeatureError, match=r"S1_Tea_C1\.mat more than once: a/.*, b/"):
        list(read_archive(tmp_path / "twice.zip", find_archive("gtea", 1), 1))


def test_wrong_words_are_answered(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no archive of thumos14"):
        find_archive("thumos14", 1)
    with pytest.raises(UsageError, match="gtea has no split 5"):
        find_archive("gtea", 5)
    with pytest.raises(FeatureError, match="no file of split 1"):
        list(read_archive(tmp_path, find_archive("gtea", 1), 1))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CltdrError, match=r"broken\.zip cannot be read"):
        list(read_archive(tmp_path / "broken.zip", find_archive("gtea", 1), 1))


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cltdr_cli.data.segmentation_archives.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="scipy") as caught:
        list(read_archive(tmp_path, find_archive("gtea", 1), 1))
    assert "cltdr-cli[matlab]" in caught.value.hint
