"""Tell addresses (``https://host/a.mp4``, ``rtsp://camera``, ``s3://bucket/a``) from the names of files."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]+):/", re.IGNORECASE)
"""A scheme has two letters or more (``C:/`` is a drive); pathlib leaves one slash of ``https://``."""


def is_address(text: str) -> bool:
    """Whether a text names something by an address (``scheme://…``), not a file of this machine.

    Args:
        text: What the user gave, or the text of a ``Path`` made of it (``https:/host/a.mp4``, one slash lost).

    Returns:
        True for every scheme, known or not; False for paths, Windows drives and video ids.
    """
    return _SCHEME.match(text) is not None
