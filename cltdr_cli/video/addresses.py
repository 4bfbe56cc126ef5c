"""Tell addresses (``https://host/a.mp4``, ``rtsp://camera``, ``s3://bucket/a``) from the names of files."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]+):/", re.IGNORECASE)
"""A scheme has two letters or more (``C:/`` is a drive); pathlib leaves one slash of ``https://``."""


_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")


def is_address(text: str) -> bool:
    """Whether a text names something by an address (``scheme://…``), not a file of this machine.

    Args:
        text: What the user gave, or the text of a ``Path`` made of it (``https:/host/a.mp4``, one slash lost).

    Returns:
        True for every scheme, known or not; False for paths, Windows drives and video ids.
    """
    return _SCHEME.match(text) is not None


def hide_secrets(text: str) -> str:
    """An address as it may be shown: without user, password, query and fragment, and with both slashes.

    A password with a bare ``/``, ``?`` or ``#`` ends the host too early; everything up to the last ``@`` is left out.
    """
    scheme, _, rest = text.partition(":")
    rest = rest.lstrip("/")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in host and not _HOST_AND_PORT.fullmatch(host):
        rest = rest.rpartition("@")[2]
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
