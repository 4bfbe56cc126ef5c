"""cltdr detect, from words to files: what it writes, what it says, and what its exit status is."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from pages_made import read_page_data

from cltdr_cli.errors import CltdrError


def segments(path):
    return json.loads(path.read_text())["results"]


def test_a_video_becomes_a_table_that_says_it_is_a_demo(cltdr, sample_video):
    done = cltdr("detect", sample_video, "--preset", "demo", "--max-segments", 3, "--min-score", 0)
    assert done.code == 0, done.err
    assert "drawn (0:0" in done.out
    assert len(done.out.splitlines()) == 5
    assert "demo model" in done.err
    assert "drawn figures only" in done.err


def test_auto_takes_the_demo_when_nothing_is_installed(cltdr, sample_video):
    done = cltdr("detect", sample_video, "--max-segments", 1)
    assert done.code == 0
    assert "weights download movinet-a2-stream" in done.err


def test_every_format_in_a_folder(cltdr, sample_video, tmp_path):
    done = cltdr(
        "detect", sample_video, "--preset", "demo", "--out", f"{tmp_path}/results/",
        "--format", "json", "--format", "csv", "--format", "srt", "--format", "vtt", "--format", "html",
        "--max-segments", 4,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out == ""
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "drawn.csv", "drawn.html", "drawn.json", "drawn.srt", "drawn.vtt"
    ]  # fmt: skip
    rows = segments(tmp_path / "results/drawn.json")["drawn"]
    assert len(rows) == 4
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    facts = json.loads((tmp_path / "results/drawn.json").read_text())["external_data"]
    assert facts["preset"] == "demo"
    assert all(len(digest) == 64 for digest in facts["weights"].values())
    assert len(facts["weights"]) == 2
    video = facts["videos"]["drawn"]
    assert video["duration"] == pytest.approx(3.0, abs=0.05)
    assert video["feature_grid"]["stride_frames"] == 4
    table = list(csv.DictReader((tmp_path / "results/drawn.csv").open()))
    assert [float(row["start"]) for row in table] == [row["segment"][0] for row in rows]


def test_failures_are_named_and_the_others_written(cltdr, sample_video, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("this is no video")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    done = cltdr(
        "detect",
        sample_video,
        text,
        empty,
        tmp_path / "gone.mp4",
        "--preset",
        "demo",
        "--out",
        tmp_path / "r.json",
    )
    assert done.code == 1
    assert list(segments(tmp_path / "r.json")) == ["drawn"]
    for name in ("notes.mp4", "empty.mp4", "gone.mp4"):
        assert name in done.err
    assert "3 of 4 inputs failed" in done.err
    assert "Traceback" not in done.err


def test_directory_pattern_and_list_are_merged(cltdr, sample_video, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(sample_video, folder / name)
    listed = tmp_path / "list.txt"
    listed.write_text("# two of them\nfilms/a.mp4\nfilms/b.mp4\n")
    for word in (folder, f"{folder}/*.mp4", listed):
        done = cltdr("detect", word, "--preset", "demo", "--out", tmp_path / "all.csv", "--max-segments", 1)
        assert done.code == 0, done.err
        assert {row["video_id"] for row in csv.DictReader((tmp_path / "all.csv").open())} == {"a", "b"}


def test_a_folder_of_pages_gets_an_index(cltdr, sample_video, tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "index.mp4"):
        shutil.copy(sample_video, tmp_path / "films" / name)
    (tmp_path / "films" / "no.mp4").write_text("this is no video")
    done = cltdr("detect", tmp_path / "films", "--preset", "demo", "--out", f"{tmp_path}/out/", "--format", "html")
    assert done.code == 1
    assert f"wrote {tmp_path}/out/index.html: 2 of 3 inputs" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.html", "index-video.html", "index.html"]
    index = read_page_data(tmp_path / "out/index.html")["videos"]
    assert [(row["id"], row["page"]) for row in index] == [("a", "a.html"), ("index", "index-video.html")]
    for row in index:
        page = read_page_data(tmp_path / "out" / row["page"])
        assert (page["index"], page["video"]) == ("index.html", f"../films/{row['id']}.mp4")


def test_results_beside_the_video_are_allowed(cltdr, sample_video, tmp_path):
    video = tmp_path / "clip.mp4"
    shutil.copy(sample_video, video)
    assert cltdr("detect", video, "--preset", "demo", "--out", tmp_path / "clip.json").code == 0
    assert cltdr("detect", video, "--preset", "demo", "--out", tmp_path / "clip.json").code == 0


def test_filters(cltdr, sample_video, tmp_path):
    out = tmp_path / "r.json"
    every = cltdr("detect", sample_video, "--preset", "demo", "--out", out)
    assert every.code == 0
    rows = segments(out)["drawn"]
    wanted = sorted({row["label"] for row in rows})[0]
    assert cltdr("detect", sample_video, "--preset", "demo", "--out", out, "--labels", wanted.upper()).code == 0
    assert {row["label"] for row in segments(out)["drawn"]} == {wanted}
    floor = rows[len(rows) // 2]["score"]
    assert cltdr("detect", sample_video, "--preset", "demo", "--out", out, "--min-score", floor).code == 0
    assert all(row["score"] >= floor for row in segments(out)["drawn"])


def test_a_range_keeps_absolute_times(cltdr, sample_video, tmp_path):
    out = tmp_path / "r.json"
    done = cltdr("detect", sample_video, "--preset", "demo", "--out", out, "--start", 1, "--end", 2.5)
    assert done.code == 0, done.err
    facts = json.loads(out.read_text())["external_data"]["videos"]["drawn"]
    assert facts["feature_grid"]["start_seconds"] == pytest.approx(1.0, abs=0.05)
    assert facts["duration"] == pytest.approx(2.5, abs=0.05)
    assert all(row["segment"][1] <= 2.55 for row in segments(out)["drawn"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "thumos14-i3d"], "no public weights"),
        (["--preset", "tumos14-i3d"], "thumos14-i3d"),
        (["--checkpoint", "nothing.safetensors"], "nothing.safetensors"),
        (["--preset", "kinetics400-i3d-rgb"], "cltdr weights download i3d-rgb"),
        (["--preset", "demo", "--labels", "waving"], "knows no class"),
        (["--preset", "demo", "--format", "csv"], "--out"),
        (["--preset", "demo", "--device", "cuda:9"], "cuda:9"),
        (["--preset", "demo", "--video-scores", "x.json"], "names classes itself"),
        (["--preset", "demo", "--out", "r.xml"], "picks no format"),
        (["--preset", "demo", "--extractor-weights", "weights.pt"], "NAME=FILE"),
    ],
)
def test_wrong_words_say_what_why_and_what_next(cltdr, sample_video, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = cltdr("detect", sample_video, *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert len(done.err.splitlines()) < 25


def test_wrong_usage_is_two(cltdr, sample_video):
    assert cltdr("detect").code == 2
    assert cltdr("detect", sample_video, "--min-score", "high").code == 2
    assert cltdr("detect", sample_video, "--labels", "nothing", "--preset", "demo").code == 2
    assert cltdr("detect", sample_video, "--no-such-option").code == 2


def test_features_need_their_times_or_a_sidecar(cltdr, tmp_path):
    features = tmp_path / "clip.npy"
    np.save(features, np.random.default_rng(0).normal(size=(40, 256)).astype(np.float32))
    done = cltdr("detect", features, "--preset", "demo", "--out", tmp_path / "r.csv")
    assert done.code == 1
    assert "--fps" in done.err
    done = cltdr("detect", features, "--preset", "demo", "--fps", 25, "--duration", 7, "--out", tmp_path / "r.csv")
    assert done.code == 0, done.err


def test_features_of_another_width_are_refused(cltdr, tmp_path):
    features = tmp_path / "clip.npy"
    np.save(features, np.zeros((40, 2048), np.float32))
    done = cltdr("detect", features, "--preset", "demo", "--fps", 25, "--duration", 7)
    assert done.code == 1
    assert "2048" in done.err
    assert "256" in done.err


def test_extracted_features_and_the_video_give_the_same_segments(cltdr, sample_video, tmp_path):
    assert cltdr("extract-features", sample_video, "--extractor", "demo", "--out", tmp_path / "features").code == 0
    assert cltdr("detect", sample_video, "--preset", "demo", "--out", tmp_path / "video.json").code == 0
    assert cltdr("detect", tmp_path / "features/drawn.npy", "--preset", "demo", "--out", tmp_path / "f.json").code == 0
    assert segments(tmp_path / "video.json") == segments(tmp_path / "f.json")


def test_a_merged_file_survives_an_interruption(cltdr, sample_video, tmp_path, monkeypatch):
    from cltdr_cli.workflows import detector

    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(sample_video, folder / name)
    real, seen = detector.detect_video, []

    def interrupted(path, *rest):
        seen.append(path)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(path, *rest)

    monkeypatch.setattr(detector, "detect_video", interrupted)
    done = cltdr("detect", folder, "--preset", "demo", "--out", tmp_path / "all.json")
    assert done.code == 130
    assert sorted(segments(tmp_path / "all.json")) == ["a", "b"]
    assert not list(tmp_path.glob(".*part"))


def test_a_stream_that_breaks_is_used_up_to_the_break(cltdr, shared, tmp_path):
    video = shared / "data/videos/corrupted.mp4"
    done = cltdr("detect", video, "--preset", "demo", "--out", tmp_path / "r.json")
    assert done.code == 0
    assert "corrupted.mp4 can be read only up to 2.800 s" in done.err
    assert "--strict" in done.err
    done = cltdr("detect", video, "--preset", "demo", "--strict")
    assert done.code == 1
    assert "corrupted.mp4" in done.err


def test_every_real_video_ends_in_segments_or_a_message(shared):
    """The whole corridor in one process, over the first seconds of every file; short ones are refused clearly."""
    from cltdr_cli.pipeline import VideoOptions, detect_video
    from cltdr_cli.zoo.load import load_detector

    detector = load_detector("demo")
    options = VideoOptions(end_seconds=2.0, batch_clips=4)
    refused = {}
    for path in sorted((shared / "data/videos").iterdir()):
        try:
            result = detect_video(path, detector, detector.extractor.extractor, options)
        except CltdrError as error:
            refused[path.name] = error
            continue
        assert len(result)
        assert (result.detections.segments_seconds >= 0).all()
        assert (result.detections.segments_seconds <= result.duration_seconds).all()
    assert sorted(refused) == [
        "h265_video.mp4",
        "rotate_0.mov",
        "rotate_180.mov",
        "rotate_270.mov",
        "rotate_90.mov",
    ]
    assert all("frames" in error.message and error.hint for error in refused.values())
