"""A video from a web server that gives it only from its beginning to its end: fetched into a temporary file."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cltdr_cli.errors import OutputError, VideoError
from cltdr_cli.video.frames import FrameBatch, VideoInfo
from cltdr_cli.video.network import Address, open_request
from cltdr_cli.video.pyav_reader import PyavReader

_PIECE_BYTES = 1 << 20


class FetchedReader:
    """Reads a video that is first fetched as a whole; see the ``VideoReader`` protocol.

    Args:
        address: Where it is.

    Raises:
        VideoError: The server gives nothing, or what it gives is no video.
        OutputError: The system's temporary folder does not take it.
    """

    def __init__(self, address: Address) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cltdr-")
        path = Path(self._folder.name) / "fetched"
        try:
            _fetch(address, path)
            self._reader = PyavReader(path, shown=address)
        except VideoError as error:
            self.close()
            raise VideoError(error.message.replace(str(path), str(address)), error.hint) from None
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream."""
        return self._reader.info

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Iterator[FrameBatch]:
        """All frames in presentation order."""
        return self._reader.batches(batch_frames, start_seconds)

    def close(self) -> None:
        """Delete the file."""
        self._folder.cleanup()


def _fetch(address: Address, path: Path) -> None:
    """Write what the server gives; a connection that breaks leaves what came, which a reader uses up to the break."""
    try:
        with open_request(address, {}) as response, path.open("wb") as file:
            while piece := _read_piece(response):
                file.write(piece)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        hint = "Free some space in the temporary folder (TMPDIR), or fetch the video yourself."
        raise OutputError(f"{address} cannot be kept in {path.parent}: {reason}.", hint) from error


def _read_piece(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_PIECE_BYTES)
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException):
        return b""
