"""Clips and contact sheets: to the frame, with sound, upright, whole or not there at all."""

from __future__ import annotations

import csv
import json
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from clips_made import pictures, segments_file, source_times
from PIL import Image
from videos_made import Drawn, draw, even_times, made

from cltdr_cli import clips
from cltdr_cli.editing.clips import read_clip_facts
from cltdr_cli.editing.streams import copy_streams
from cltdr_cli.errors import AnnotationError, CltdrError, UsageError
from cltdr_cli.video import open_video


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Drawn videos by name."""
    folder = tmp_path_factory.mktemp("drawn")
    return lambda name: made(folder, name)


@pytest.mark.parametrize(
    "name", ["constant.mp4", "ntsc.mkv", "odd.webm", "packed.avi", "late.ts", "varied.mp4", "varied.mkv", "open.mp4"]
)
@pytest.mark.parametrize("first", [0, 8, 27])
def test_exact_clips_hold_the_frames_of_the_segment_at_their_times(drawn, tmp_path, name, first):
    source = drawn(name)
    times = source_times(source)
    span = (times[first], times[first + 13], "walk", 0.9)
    (path,) = clips(source, segments=segments_file(tmp_path, span), out=tmp_path / "out").made
    numbers, cut = pictures(path)
    assert numbers == list(range(first, first + 13))
    assert cut == pytest.approx([times[n] - times[first] for n in numbers], abs=1e-4)


def test_the_picture_on_the_screen_when_a_segment_begins_is_its_first(drawn, tmp_path):
    file = segments_file(tmp_path, (0.5, 0.7, "a", 1))  # frame 12 is shown from 0.48 to 0.52 s
    numbers, times = pictures(clips(drawn("constant.mp4"), segments=file, out=tmp_path).made[0])
    assert numbers == [12, 13, 14, 15, 16, 17]
    assert times == pytest.approx([0, 0.02, 0.06, 0.1, 0.14, 0.18], abs=1e-4)


def test_fast_clips_begin_at_a_key_frame_and_copy(drawn, tmp_path):
    source = drawn("constant.mp4")  # a key frame every 12 frames
    summary = clips(source, segments=segments_file(tmp_path, (0.8, 1.4, "a", 1)), out=tmp_path, fast=True)
    numbers, times = pictures(summary.made[0])
    with av.open(str(source)) as container:
        key = max(n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame and n <= 20)
    assert numbers[0] == key > 0
    assert set(range(20, 35)) <= set(numbers) <= set(range(key, 40))
    assert times[0] == pytest.approx(0, abs=0.001)
    (row,) = csv.DictReader(summary.index.open())
    assert (row["start"], row["clip_start"]) == ("0.800", f"{key / 25:.3f}")
    with av.open(str(source)) as a, av.open(str(summary.made[0])) as b:
        kept = {bytes(p) for p in a.demux(video=0) if p.size}
        assert all(bytes(p) in kept for p in b.demux(video=0) if p.size)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("turn", ["turned90.mp4", "turned180.mp4", "turned270.mp4"])
def test_turned_videos_stay_upright(drawn, tmp_path, turn, fast):
    source = drawn(turn)
    summary = clips(source, segments=segments_file(tmp_path, (0.2, 0.6, "a", 1)), out=tmp_path, fast=fast)
    wanted = open_video(source, "pyav")
    got = open_video(summary.made[0], "pyav")
    assert (got.info.width, got.info.height) == (wanted.info.width, wanted.info.height)
    at = 0.0 if fast else 0.2
    original = next(iter(wanted.batches(1, start_seconds=at or None)))
    if at:
        original = list(wanted.batches(1))[5]
    copy = next(iter(got.batches(1)))
    assert np.abs(original.frames[0].astype(int) - copy.frames[0]).mean() < 6


def tone_phase(samples, first):
    """Phase of the drawn tone sin(n / 9), in samples modulo its period, as if the piece began at sample ``first``."""
    n = np.arange(first, first + len(samples))
    return (9 * np.angle((samples * np.exp(-1j * n / 9)).sum() * 1j)) % (18 * np.pi)


def decoded_sound(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    rate = frames[0].sample_rate
    start = round(float(frames[0].pts * frames[0].time_base) * rate)
    return start, rate, np.concatenate([f.to_ndarray()[0] for f in frames])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_sound_is_cut_to_the_sample(tmp_path, suffix):
    source = draw(tmp_path / f"tone{suffix}", Drawn(even_times(150), audio_seconds=6))
    whole_start, rate, whole = decoded_sound(source)
    origin = origin_seconds(source)
    spans = {0.0: 0.5, 1.0: 2.0, 4.0: 5.0}  # to the last one it jumps
    rows = [(begin, end, "a", 1) for begin, end in spans.items()]
    summary = clips(source, segments=segments_file(tmp_path, *rows), out=tmp_path / "o")
    for path, (begin, end) in zip(summary.made, spans.items(), strict=True):
        start, _, samples = decoded_sound(path)
        at = round((begin + origin) * rate) - whole_start  # place of the clip's first sample in the source
        missing = max(0, -at)
        assert start == pytest.approx(missing, abs=1)
        assert len(samples) / rate == pytest.approx(end - begin, abs=0.07)
        mine = tone_phase(samples[2000:6000], 0)
        theirs = tone_phase(whole[at + missing + 2000 : at + missing + 6000], 0)
        difference = abs(mine - theirs) % (18 * np.pi)
        assert min(difference, 18 * np.pi - difference) < 1.0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_copied_sound_stays_with_the_pictures(tmp_path, suffix):
    source = draw(tmp_path / f"tone{suffix}", Drawn(even_times(150), audio_seconds=6))
    whole_start, rate, whole = decoded_sound(source)
    file = segments_file(tmp_path, (4.0, 5.0, "a", 1))
    (path,) = clips(source, segments=file, out=tmp_path / "o", fast=True).made
    numbers, times = pictures(path)
    start, _, samples = decoded_sound(path)
    with av.open(str(source)) as container:
        first = float(next(f.time for n, f in enumerate(container.decode(video=0)) if n == numbers[0]))
    at = round((first - times[0]) * rate) + start - whole_start  # place of the clip's first sample in the source
    mine, theirs = tone_phase(samples[4000:8000], 0), tone_phase(whole[at + 4000 : at + 8000], 0)
    difference = abs(mine - theirs) % (18 * np.pi)
    most = 16 if suffix == ".mkv" else 2  # Matroska counts whole milliseconds, which are 16 samples
    assert min(difference, 18 * np.pi - difference) < most


def origin_seconds(path):
    with av.open(str(path)) as container:
        return container.start_time / 1e6


def test_names_pads_scores_labels_and_the_index(drawn, tmp_path):
    source = tmp_path / "my video.mp4"
    shutil.copy(drawn("constant.mp4"), source)
    rows = [
        (0.5, 1.0, "../../etc/pass wd", 0.9),
        (0.5, 1.0, "a:b*c?\n<d>|\x1b[31m", 0.8),
        (0.5, 1.02, "walk", 0.7),
        (0.5, 1.02, "WALK", 0.7),
        (1.5, 1.6, "x" * 300, 0.6),
        (1.0, 1.2, "low", 0.1),
        (1.0, 1.0, "point", 0.9),
    ]
    summary = clips(source, segments=segments_file(tmp_path, *rows), out=tmp_path / "out", pad=0.2, min_score=0.5)
    names = sorted(path.name for path in summary.made)
    assert len(names) == 6
    assert "my video_0000.5-0001.0_walk.mp4" in names
    assert "my video_0000.5-0001.0_WALK-2.mp4" in names
    assert "my video_0000.5-0001.0_.._.._etc_pass_wd.mp4" in names
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "clips.csv"}
    assert not any(set(name) & set('/\\:*?"<>|\n\x1b') for name in names)
    table = list(csv.DictReader(summary.index.open(newline="")))
    assert {row["file"] for row in table} == set(names)
    assert {row["label"] for row in table} == {row[2] for row in rows if row[3] >= 0.5}
    walk = next(row for row in table if row["label"] == "walk")
    assert (walk["clip_start"], walk["clip_end"], walk["score"], walk["label_id"]) == ("0.300", "1.220", "0.7", "7")
    numbers, _ = pictures(tmp_path / "out" / walk["file"])
    assert (numbers[0], numbers[-1]) == (7, 30)
    only = clips(source, segments=segments_file(tmp_path, *rows), out=tmp_path / "two", labels="walk, low")
    assert sorted(path.name.rpartition("_")[2] for path in only.made) == ["low.mp4", "walk.mp4"]
    with pytest.raises(UsageError, match="No segment has the label 'run'"):
        clips(source, segments=segments_file(tmp_path, *rows), out=tmp_path / "two", labels="run")


def test_a_second_run_keeps_what_is_there_and_redoes_what_changed(drawn, tmp_path):
    source = tmp_path / "v.mp4"
    shutil.copy(drawn("constant.mp4"), source)
    rows = [(0.5, 1.0, "a", 0.9), (1.0, 1.5, "b", 0.9)]
    words = {"segments": segments_file(tmp_path, *rows), "out": tmp_path / "out"}
    first = clips(source, **words)
    (first.made[0].parent / ".v_0000.5-0001.0_a.mp4-leftover.part").write_bytes(b"x")
    stamps = {path: path.stat().st_mtime_ns for path in first.made}
    again = clips(source, **words)
    assert (again.made, again.kept) == ([], first.made)
    assert {path: path.stat().st_mtime_ns for path in first.made} == stamps
    assert len(list(csv.DictReader(again.index.open()))) == 2
    first.made[0].write_bytes(first.made[0].read_bytes()[:500])
    assert clips(source, **words).made == [first.made[0]]
    assert len(clips(source, **words, pad=0.1).made) == 2
    assert len(clips(source, **words, pad=0.1, overwrite=True).made) == 2
    shutil.copy(drawn("h264.avi"), source)  # another video of the same name
    assert len(clips(source, **words, pad=0.1).made) == 2
    assert read_clip_facts(first.made[0])["label"] == "a"


@pytest.mark.parametrize("name", ["long.mkv", "odd.webm", "constant.mp4"])
def test_copied_clips_are_kept_too(drawn, tmp_path, name):
    words = {"segments": segments_file(tmp_path, (0.5, 1.0, "a", 0.9)), "out": tmp_path / "out", "fast": True}
    first = clips(drawn(name), **words)
    again = clips(drawn(name), **words)
    assert (again.made, again.kept) == ([], first.made)


def test_clips_of_several_videos_share_a_folder_and_its_table(drawn, tmp_path):
    file = segments_file(tmp_path, (0.5, 1.0, "a", 0.9))
    for name in ("constant.mp4", "varied.mp4", "constant.mp4"):
        index = clips(drawn(name), segments=file, out=tmp_path / "out").index
    assert [row["video"] for row in csv.DictReader(index.open())] == ["varied.mp4", "constant.mp4"]
    (tmp_path / "out/varied_0000.5-0001.0_a.mp4").unlink()
    clips(drawn("constant.mp4"), segments=file, out=tmp_path / "out")
    assert [row["video"] for row in csv.DictReader(index.open())] == ["constant.mp4"]


def test_damaged_sound_is_said_and_does_not_stop_the_pictures(tmp_path, cltdr):
    source = draw(tmp_path / "v.mkv", Drawn(even_times(60), audio_seconds=2.4))
    file = segments_file(tmp_path, (0.2, 2, "a", 1))
    (sound_one,) = clips(source, segments=file, out=tmp_path / "sound").made
    with av.open(str(source)) as container:
        sounds = [bytes(p) for p in container.demux(audio=0) if p.size]
    data = source.read_bytes()
    for packet in sounds[5:20]:
        data = data.replace(packet, b"\xff" * len(packet))
    source.write_bytes(data)
    done = cltdr("clips", source, file, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert "a part of its sound cannot be decoded and is missing" in done.err
    (path,) = (tmp_path / "out").glob("*.mp4")
    assert pictures(path) == pictures(sound_one)


def test_one_segment_that_fails_does_not_stop_the_others(drawn, tmp_path, cltdr):
    file = segments_file(tmp_path, (100, 101, "late", 0.9), (0.5, 1.0, "a", 0.9))
    done = cltdr("clips", drawn("constant.mp4"), file, "--out", tmp_path / "out")
    assert done.code == 1
    assert "no picture between 100.000 and 101.000 s" in done.err
    assert [p.suffix for p in (tmp_path / "out").iterdir() if "late" in p.name] == []
    assert len(list(csv.DictReader((tmp_path / "out/clips.csv").open()))) == 1


def test_segments_must_be_of_this_video(drawn, tmp_path):
    path = tmp_path / "two.json"
    item = {"label": "a", "segment": [0, 1]}
    path.write_text(json.dumps({"database": {"p": {"annotations": [item]}, "q": {"annotations": [item]}}}))
    with pytest.raises(AnnotationError, match="2 videos, and none of them is 'constant'"):
        clips(drawn("constant.mp4"), segments=path, out=tmp_path / "out")
    path.write_text(json.dumps({"database": {"constant": {"annotations": [item]}, "q": {"annotations": []}}}))
    assert len(clips(drawn("constant.mp4"), segments=path, out=tmp_path / "out").made) == 1


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_contact_sheets_move_and_show_every_segment(drawn, tmp_path, kind):
    rows = [(n * 0.4, n * 0.4 + 0.3, "walk", 0.5 + n / 10) for n in range(5)] + [(0.1, 2.0, "a/b", 0.9)]
    summary = clips(drawn("constant.mp4"), segments=segments_file(tmp_path, *rows), out=tmp_path / "o", sheets=kind)
    assert [path.name for path in summary.sheets] == [f"sheet_walk.{kind}", f"sheet_a_b.{kind}"]
    with Image.open(summary.sheets[0]) as sheet:
        assert sheet.n_frames == 8
        assert sheet.width > 3 * 200
        first = np.asarray(sheet.convert("RGB")).astype(int)
        sheet.seek(7)
        last = np.asarray(sheet.convert("RGB")).astype(int)
    assert np.abs(first - last).max() > 60
    with pytest.raises(UsageError, match="contact sheets"):
        clips(drawn("constant.mp4"), segments=segments_file(tmp_path, *rows), out=tmp_path, sheets="png")


REAL = (
    "av1_video.mkv", "bear-vp9.webm", "corrupted.mp4", "exo_htc_rotation.mkv", "exo_sample.avi", "h264_10bits.mp4",
    "h265_video.mp4", "nasa_13013.mp4", "person01_boxing_d1_uncomp.avi", "rotate_90.mov", "rotate_270.mov",
    "v_GGSY1Qvo990.mp4", "ts",
)  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_every_real_video_ends_in_a_file_or_in_a_message(shared, tmp_path, name):
    source = shared / "data/videos" / name
    if name == "ts":
        source = tmp_path / "highjump.ts"
        with av.open(str(shared / "data/videos/highjump.mp4")) as original, av.open(str(source), "w") as target:
            copy_streams(original, target)
    file = segments_file(tmp_path, (0.02, 0.3, "a", 1), (900, 901, "never", 1))
    for fast in (False, True):
        summary = clips(source, segments=file, out=tmp_path / f"out{fast}", fast=fast)
        assert [f.word.rpartition("_")[2][:5] for f in summary.failures] == ["never"]
        (path,) = summary.made
        with av.open(str(path)) as made_clip, av.open(str(source)) as original:
            kinds = [{s.type for s in c.streams} & {"video", "audio"} for c in (made_clip, original)]
            assert kinds[0] == kinds[1]
            count = sum(1 for _ in made_clip.decode(video=0))
        assert 1 <= count <= 12 if not fast else count >= 1


def test_a_sound_file_is_no_video(tmp_path):
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(CltdrError, match="no video stream"):
        clips(path, segments=segments_file(tmp_path, (0, 1, "a", 1)), out=tmp_path / "out")
