"""What goes wrong around cltdr extract-features: full disks, folders that are none, videos that change."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from extraction_runs import REPOSITORY, environment, extraction, hidden, outputs, until
from videos_made import Drawn, draw, even_times

from cltdr_cli.extraction.one_video import VideoExtraction
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.video.named_inputs import Input
from cltdr_cli.zoo.extractors import ModelSources

SHORT = Drawn(even_times(40))


@pytest.fixture
def setup(tmp_path):
    sources = ModelSources(files={}, device="cpu")
    return ExtractionSettings("demo", sources, VideoOptions(batch_clips=1), tmp_path / "out").ready()


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        draw(folder / f"{name}.mp4", SHORT)
    return folder


IN_SMALL_DISK = """
mount -t tmpfs -o size=100k none "$1" || exit 77
"$2" -m cltdr_cli extract-features "$3" --extractor demo --device cpu --out "$1"
echo "exit status $?"
ls -A "$1"
mount -o remount,size=2m "$1"
"$2" -m cltdr_cli extract-features "$3" --extractor demo --device cpu --out "$1"
echo "exit status $?"
ls -A "$1"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a file system of its own for one process is Linux's")
def test_a_full_disk(tmp_path, films):
    words = ["unshare", "-m", "sh", "-c", IN_SMALL_DISK, "sh", tmp_path, sys.executable, films / "a.mp4"]
    done = subprocess.run(
        words,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip(f"this system lets nobody mount a small disk: {done.stderr}")
    before, _, after = done.stdout.partition("exit status 1\n")
    assert before == "", done.stdout + done.stderr
    assert after.splitlines() == ["exit status 0", "a.json", "a.npy"], "nothing was left on the full disk"
    assert "a.npy: cannot be written: No space left on device" in done.stderr
    assert "free some space on this disk, or choose another folder" in done.stderr
    assert "1 extracted" in done.stderr


def test_a_disk_that_takes_no_large_file(server, films, tmp_path):
    words = extraction(films / "a.mp4", out=tmp_path)
    done = server.run(*words, file_bytes=100_000)
    assert done.code == 1
    assert "a.npy: cannot be written: File too large" in done.said
    assert "choose another folder" in done.said
    assert list(tmp_path.iterdir()) == []
    assert server.run(*words).code == 0


def test_a_folder_that_takes_nothing(cltdr, videos, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file/below", "/proc/self/task/features"):
        done = cltdr(*extraction(videos, out=out))
        assert done.code == 1
        assert "cannot be written" in done.err
        assert "choose a folder in which you may create files" in done.err


def test_a_folder_that_is_removed_midway(server, films, tmp_path):
    out = tmp_path / "out"
    run = server.start(*extraction(films, out=out))
    until(lambda: ".b.cltdr-lock" in hidden(out))
    out.rename(tmp_path / "elsewhere")
    done = server.wait(run)
    assert done.code == 1
    assert f"{out}: is gone" in done.said
    assert not out.exists(), "what was there before is not there; a folder with the rest would deceive"


def test_a_video_that_changes_while_it_is_read(setup, videos):
    path = videos / "a.mp4"
    item, grown = Input(path, "a", is_features=False), []

    def grow(*_):
        if not grown:
            grown.append(path.open("ab").write(b"\0" * 8))

    setup.out.mkdir()
    outcome = VideoExtraction(setup).make(item, grow)
    assert (outcome.status, list(setup.out.iterdir())) == ("failed", [])
    assert f"{path} changed while it was read: source_size is" in outcome.reason
    assert VideoExtraction(setup).make(item, None).status == "made"
    assert VideoExtraction(setup).make(item, None).status == "kept"


@pytest.mark.parametrize("place", [15, -1], ids=["head", "tail"])
def test_another_video_of_the_same_size_and_time_is_extracted_again(setup, videos, place):
    """A video rendered anew into the same file by a program that sets its time back, or within the same tick."""
    path = videos / "a.mp4"
    item = Input(path, "a", is_features=False)
    setup.out.mkdir()
    assert VideoExtraction(setup).make(item, None).status == "made"
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    outcome = VideoExtraction(setup).make(item, None)
    assert "content of the video is another, although its size and time are the same" in outcome.reason


def test_a_sidecar_of_an_older_version_without_a_digest_still_marks_a_finished_file(setup, videos):
    item = Input(videos / "a.mp4", "a", is_features=False)
    setup.out.mkdir()
    VideoExtraction(setup).make(item, None)
    sidecar = setup.out / "a.json"
    content = json.loads(sidecar.read_text())
    assert len(content.pop("source_ends_sha256")) == 64
    sidecar.write_text(json.dumps(content))
    assert VideoExtraction(setup).make(item, None).status == "kept"


def test_a_video_that_vanishes_while_it_is_read(setup, videos):
    setup.out.mkdir()
    outcome = VideoExtraction(setup).make(
        Input(videos / "a.mp4", "a", is_features=False), lambda *_: (videos / "a.mp4").unlink(missing_ok=True)
    )
    assert outcome.status == "failed"
    assert "a.mp4 cannot be read: No such file or directory" in outcome.reason


DAMAGES = ("cut", "empty", "other numbers", "no sidecar", "broken sidecar", "cut sidecar")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_outputs_are_made_again(setup, videos, damage):
    setup.out.mkdir()
    item = Input(videos / "a.mp4", "a", is_features=False)
    extraction = VideoExtraction(setup)
    extraction.make(item)
    good, array, sidecar = outputs(setup.out), setup.out / "a.npy", setup.out / "a.json"
    if damage == "other numbers":
        np.save(array, np.zeros((3, 256), np.float32))
    elif damage == "no sidecar":
        sidecar.unlink()
    elif damage == "broken sidecar":
        sidecar.write_text("{")
    else:
        path = sidecar if damage == "cut sidecar" else array
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else -1 - path.stat().st_size // 2])
    outcome = extraction.make(item)
    assert (outcome.status, outputs(setup.out)) == ("made", good)
    assert outcome.reason


STRANGE = [b'co,mma "quoted".mp4', b"new\nline.mp4", b"re\rturn.mp4", b"\xff\xfe.mp4", b"\xff\xfd.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_failures_with_strange_names_are_listed_once(cltdr, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    paths = [Path(os.fsdecode(os.fsencode(folder) + b"/" + name)) for name in STRANGE]
    for path in paths:
        path.write_text("no video")
    for _ in range(2):
        assert cltdr(*extraction(folder, out=out)).code == 1
        rows = list(csv.reader((out / "failed.csv").open(encoding="utf-8", newline="")))
        assert rows[0] == ["input", "reason"]
        assert len({tuple(row) for row in rows}) == len(rows) == 1 + len(STRANGE)
        assert {row[0] for row in rows[1:]} >= {str(paths[0]), str(paths[1]), f"{folder}/\\udcff\\udcfe.mp4"}
    for path in paths[1:]:
        path.unlink()
    draw(tmp_path / "good.mp4", SHORT).replace(paths[0])
    done = cltdr(*extraction(folder, out=out))
    assert (done.code, (out / "failed.csv").read_text()) == (0, "input,reason\n"), done.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_names_that_no_text_can_hold_have_files_of_their_own(cltdr, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    drawn = draw(tmp_path / "good.mp4", SHORT)
    for name in (b"\xff.mp4", b"\xfe.mp4", b"a:b.mp4", b"a?b.mp4"):
        shutil.copy(drawn, os.fsencode(folder) + b"/" + name)
    done = cltdr(*extraction(folder, out=tmp_path / "out"))
    assert (done.code, len(outputs(tmp_path / "out"))) == (0, 8), done.err
    assert "4 already there" in cltdr(*extraction(folder, out=tmp_path / "out")).err


def test_a_full_folder_for_what_waits(monkeypatch, tmp_path):
    """Features of long videos wait in the temporary folder: where that is full, none can be made."""
    from cltdr_cli.errors import OutputError
    from cltdr_cli.features.rows import RowSpool

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(OutputError, match="cannot be written") as raised:
        RowSpool(100).add(np.zeros((4, 256), np.float32))
    assert "TMPDIR" in raised.value.hint


def test_rows_in_a_file_are_the_same_rows(tmp_path):
    from cltdr_cli.features.rows import RowSpool

    random = np.random.default_rng(5)
    parts = [random.standard_normal((length, 7), np.float32) for length in (3, 1, 40, 8, 2)]
    for bound in (1 << 20, 500, 0):
        spool = RowSpool(bound)
        for part in parts:
            spool.add(part[:, ::-1])
        assert np.array_equal(spool.read_rows(), np.concatenate(parts)[:, ::-1])
    assert RowSpool().read_rows() is None


def test_threads_claim_a_name_one_at_a_time(tmp_path):
    from cltdr_cli.extraction.locks import lock_name

    inside, most, lock = [0], [0], threading.Lock()

    def work():
        for _ in range(50):
            with lock_name(tmp_path, "x") as mine:
                with lock:
                    inside[0] += mine
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= mine

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert hidden(tmp_path) == []
