"""The words of a command and the files they mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cltdr_cli.errors import FeatureError, UsageError, VideoError
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.video.named_inputs import VIDEO_SUFFIXES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (
        "b.mp4", "a.MKV", "notes.md", "features.npy", "sub/c.avi", "sub/deep/b.webm", "sub/.hidden.mp4",
        ".cache/x.mp4", "none/readme.md", "odd.name", "f.npz", "g.pt",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(words):
    return [str(entry.path) for entry in find_inputs(words).files]


def failures(words):
    return [(entry.word, entry.error.message) for entry in find_inputs(words).failures]


def test_files_stay_in_their_order_whatever_their_suffix(folder):
    assert names(["odd.name", "b.mp4", "a.MKV"]) == ["odd.name", "b.mp4", "a.MKV"]


def test_feature_files_are_told_from_videos(folder):
    kinds = {
        entry.video_id: entry.is_features for entry in find_inputs(["features.npy", "f.npz", "g.pt", "b.mp4"]).files
    }
    assert kinds == {"features": True, "f": True, "g": True, "b": False}


def test_directories_are_searched_with_all_below_sorted_without_hidden_ones(folder):
    assert names(["."]) == ["a.MKV", "b.mp4", "sub/c.avi", "sub/deep/b.webm"]
    assert names(["sub"]) == ["sub/c.avi", "sub/deep/b.webm"]


def test_patterns(folder):
    assert names(["*.mp4"]) == ["b.mp4"]
    assert names(["**/*.webm"]) == ["sub/deep/b.webm"]
    assert names([str(folder / "[ab].*")]) == [str(folder / "a.MKV"), str(folder / "b.mp4")]
    assert names(["su?"]) == ["sub/c.avi", "sub/deep/b.webm"]
    assert names(["*"]) == ["a.MKV", "b.mp4", "f.npz", "features.npy", "g.pt", "sub/c.avi", "sub/deep/b.webm"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder):
    Path("what[1].mp4").touch()
    assert names(["what[1].mp4"]) == ["what[1].mp4"]


def test_the_home_folder_is_known(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert names(["~/b.mp4"]) == [str(folder / "b.mp4")]


def test_lists_name_files_beside_them_or_in_the_working_directory(folder):
    (folder / "sub" / "list.txt").write_text(
        "\ufeff# what to do\n\nc.avi\n b.mp4   # not beside it\ndeep\n*.avi\nlost.mp4\nno#comment.mp4\n",
        encoding="utf-8",
    )
    found = find_inputs(["sub/list.txt", "a.MKV"])
    assert [str(e.path) for e in found.files] == ["sub/c.avi", "b.mp4", "sub/deep/b.webm", "a.MKV"]
    assert [e.word for e in found.failures] == ["lost.mp4", "no#comment.mp4"]
    assert found.entries[3:5] == found.failures  # in their place


def test_a_file_named_twice_counts_once(folder):
    Path("link.mp4").symlink_to("b.mp4")
    assert names(["b.mp4", "./b.mp4", "*.mp4", str(folder / "b.mp4"), "."])[:2] == ["b.mp4", "a.MKV"]


def test_ids_are_unique_and_said(folder):
    Path("b.mov").touch()
    Path("B.avi").touch()
    found = find_inputs(["b.mp4", "sub/deep/b.webm", "b.mov", "B.avi"])
    ids = [entry.video_id for entry in found.files]
    assert ids[:2] == ["b", "deep_b"]
    assert len({each.casefold() for each in ids}) == 4
    assert len(found.notices) == 3
    assert found.notices[0] == "sub/deep/b.webm and b.mp4 share a name; results of sub/deep/b.webm are named deep_b."


def test_unlike_names_are_not_mentioned(folder):
    assert find_inputs(["."]).notices == ("sub/deep/b.webm and b.mp4 share a name; results of sub/deep/b.webm are "
                                          "named deep_b.",)  # fmt: skip
    assert find_inputs(["b.mp4", "a.MKV"]).notices == ()


@pytest.mark.parametrize(
    ("word", "what", "todo"),
    [
        ("lost.mp4", "lost.mp4 does not exist", "Check the spelling"),
        ("lost.npy", "lost.npy does not exist", "Check the spelling"),
        ("lost.txt", "lost.txt does not exist", "Check the spelling"),
        ("none", "The directory none holds no video", "known by their suffix: .3gp"),
        (
            "features",
            "The directory features holds no video",
            "name them with 'features/*.npy' or 'features/*.pt'",
        ),
        ("*.flv", "The pattern *.flv matches no video", "Try the pattern with ls"),
        ("empty.txt", "The list empty.txt names no file", "one path a line"),
        ("latin.txt", "The list latin.txt cannot be read: it is not UTF-8 text", "one path a line"),
        ("outer.txt", "The list names another list, empty.txt", "on the command line"),
    ],
)
def test_a_word_that_leads_nowhere_does_not_stop_the_others(folder, word, what, todo):
    Path("features").mkdir()
    for name in ("a.npy", "b.npy", "c.pt", "a.json"):
        Path("features", name).touch()
    Path("empty.txt").write_text("# nothing\n\n")
    Path("latin.txt").write_bytes("häuser.mp4\n".encode("latin-1"))
    Path("outer.txt").write_text("empty.txt\n")
    found = find_inputs(["b.mp4", word, "a.MKV"])
    assert [str(entry.path) for entry in found.files] == ["b.mp4", "a.MKV"]
    (failed,) = found.failures
    assert found.entries[1] is failed
    assert what in failed.error.message
    assert todo in failed.error.hint
    assert failed.error.exit_code == 1
    assert isinstance(failed.error, FeatureError if word == "lost.npy" else VideoError)


def test_no_words_at_all_is_wrong_usage():
    with pytest.raises(UsageError, match="No input was named") as refused:
        find_inputs([])
    assert refused.value.exit_code == 2


def test_suffixes_of_all_real_files_are_known(shared):
    assert {path.suffix for path in (shared / "data" / "videos").iterdir()} <= VIDEO_SUFFIXES
    assert len(find_inputs([str(shared / "data" / "videos")]).files) == 25


def test_finding_inputs_imports_nothing_heavy():
    script = (
        "import sys, cltdr_cli.video, cltdr_cli.video.inputs; "
        "sys.exit(' '.join({'numpy', 'av', 'decord', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
