"""Titles, places and names inside a video may be in any encoding, as phones and cameras write them."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from cltdr_cli.video import open_video

PLACE = b"ZZZZ"
NO_UTF8 = b"\xe9\xff\xc3("


@pytest.mark.parametrize("reader", ["pyav", "decord"])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "3gp", "mkv", "avi"])
def test_no_tag_stops_a_readable_video(tmp_path, suffix, reader):
    if reader == "decord":
        pytest.importorskip("decord", reason="decord has no wheel here", exc_type=ImportError)
    path = tmp_path / f"phone.{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata.update(title="cafeZZZZ", location="ZZZZ", comment="ZZZZ")
        chapter = {"id": 0, "start": 0, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "ZZZZ"}}
        container.set_chapters([chapter])
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.metadata.update(title="ZZZZ", handler_name="ZZZZ")
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert PLACE in content
    path.write_bytes(content.replace(PLACE, NO_UTF8))
    assert sum(len(batch) for batch in open_video(path, reader).batches(8)) == 10
