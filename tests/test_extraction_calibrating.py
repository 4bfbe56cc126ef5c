"""int8: the videos it is calibrated on stay those of the folder's first run."""

from __future__ import annotations

import json

from cltdr_cli.extraction.calibration_videos import FILE, choose_calibration_videos, remember_calibration_videos
from cltdr_cli.features.calibration import MOST_VIDEOS
from cltdr_cli.video.named_inputs import Input


def inputs(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"x")
    return [Input(folder / name, name, False) for name in names]


def test_later_videos_do_not_change_the_calibration(tmp_path):
    first = inputs(tmp_path, "b.mp4", "c.mp4")
    chosen = choose_calibration_videos(tmp_path, first)
    assert chosen == tuple(item.path for item in first)
    assert not (tmp_path / FILE).exists(), "choosing writes nothing: a dry run chooses, too"
    remember_calibration_videos(tmp_path, chosen)
    assert choose_calibration_videos(tmp_path, [*inputs(tmp_path, "a.mp4"), *first]) == chosen


def test_videos_that_are_gone_are_replaced(tmp_path):
    first = inputs(tmp_path, "b.mp4")
    remember_calibration_videos(tmp_path, choose_calibration_videos(tmp_path, first))
    first[0].path.unlink()
    others = inputs(tmp_path, "d.mp4")
    assert choose_calibration_videos(tmp_path, others) == (others[0].path,)


def test_a_damaged_note_is_written_anew_and_the_number_is_bounded(tmp_path):
    (tmp_path / FILE).write_text('{"videos": 3}')
    many = inputs(tmp_path, *(f"{n}.mp4" for n in range(MOST_VIDEOS + 3)))
    remember_calibration_videos(tmp_path, choose_calibration_videos(tmp_path, many))
    assert len(json.loads((tmp_path / FILE).read_text())["videos_percent_encoded"]) == MOST_VIDEOS
    assert len(choose_calibration_videos(tmp_path, many)) == MOST_VIDEOS
