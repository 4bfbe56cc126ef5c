"""Collect rows of features: few in memory, many in a file in the system's temporary folder."""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import OutputError

MEMORY_BYTES = 64 << 20
"""Two hours of two-stream I3D at stride 4 are 440 MB; memory must not grow with the length of a video."""


class RowSpool:
    """Collects float32 rows ``[N, C]`` and gives them back as one array ``[T, C]``.

    Args:
        memory_bytes: Above so many bytes, rows are moved to a file.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._held: list[NDArray[np.float32]] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._shape = (0, 0)

    def add(self, rows: NDArray[np.float32]) -> None:
        """Add the next rows ``[N, C]``.

        Raises:
            OutputError: The system's temporary folder cannot be written, or is full.
        """
        self._shape = (self._shape[0] + len(rows), rows.shape[1])
        self._held.append(rows)
        self._held_bytes += rows.nbytes
        if self._held_bytes > self._memory_bytes:
            self._spill()

    def read_rows(self) -> NDArray[np.float32] | None:
        """All rows ``[T, C]``; None if there are none. A file behind them is deleted with the array."""
        if not self._held and self._file is None:
            return None
        if self._file is None:
            return np.concatenate(self._held)
        self._spill()
        return np.memmap(self._file, np.float32, "r+", shape=self._shape)

    def _spill(self) -> None:
        """Move the rows in memory to the end of the file, which has no name and vanishes with its last user."""
        try:
            self._file = self._file or tempfile.TemporaryFile(prefix="cltdr-")  # noqa: SIM115 # the array closes it
            for rows in self._held:
                self._file.write(np.ascontiguousarray(rows, np.float32).data)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: cannot be written: {error.strerror or error}; the features of a long "
                "video wait there",
                "free some space there, or name a larger folder in the environment variable TMPDIR",
            ) from error
        self._held, self._held_bytes = [], 0
