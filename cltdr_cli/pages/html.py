"""Puts a page together: template, style, program and data in one file, with a policy that forbids the network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from cltdr_cli.plain_text import harmless

_PAGE_PROGRAM = ("shared.js", "segments.js", "player.js", "timeline.js", "list.js", "saving.js", "page.js")
_INDEX_PROGRAM = ("shared.js", "index.js")
_PLACE = re.compile("@@([A-Z]+)@@")


def render_page(content: Mapping[str, Any], video_bytes: bytes | None = None) -> str:
    """The page of one video.

    Args:
        content: Of ``content.make_content``.
        video_bytes: The video itself, to be put into the page; None where it is linked.
    """
    bytes_element = ""
    if video_bytes is not None:
        encoded = base64.b64encode(video_bytes).decode("ascii")
        bytes_element = f'<script type="text/plain" id="video-bytes">{encoded}</script>'
    # Media beside the page (file:, or 'self' where a server shows it) and in it (blob:); nothing from the network.
    media = ["img-src data:", "media-src 'self' file: blob:"]
    connect = "connect-src 'self'" if content.get("save_address") else "connect-src 'none'"
    return _fill("page", _PAGE_PROGRAM, str(content["video_id"]), content, [*media, connect], VIDEO=bytes_element)


def render_index(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The page that lists many videos, with rows of ``content.make_index_row``."""
    return _fill("index", _INDEX_PROGRAM, title, {"videos": list(rows)}, ["connect-src 'none'"])


def to_script_json(content: Any) -> str:
    """JSON that cannot end its script element, whatever texts are in it: no ``<``, ``>`` or ``&``, only ASCII."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _fill(name: str, program: Sequence[str], title: str, content: Any, allowed: Sequence[str], **more: str) -> str:
    style, script = _read(f"{name}.css"), '"use strict";\n' + "\n".join(_read(part) for part in program)
    policy = [
        "default-src 'none'",
        f"style-src '{_digest(style)}'",
        f"script-src '{_digest(script)}'",
        *allowed,
        "base-uri 'none'",
        "form-action 'none'",
    ]
    values = {
        "POLICY": escape("; ".join(policy)),
        "TITLE": escape(harmless(" ".join(title.split()))),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": to_script_json(content),
        **more,
    }
    # In one pass: what a value brings in is not looked through for places again.
    return _PLACE.sub(lambda found: values[found[1]], _read(f"{name}.html"))


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@cache
def _read(name: str) -> str:
    return (resources.files("cltdr_cli.pages") / "templates" / name).read_text(encoding="utf-8")
