"""Videos behind addresses: which schemes are read, what a web server answers, and what went wrong, in words.

Passwords and query strings (which often hold keys) appear in no name, message or result.
"""

from __future__ import annotations

import base64
import re
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from cltdr_cli.errors import VideoError
from cltdr_cli.plain_text import safe_file_name
from cltdr_cli.video.addresses import hide_secrets

if TYPE_CHECKING:
    from http.client import HTTPResponse

WEB = frozenset({"http", "https"})
CAMERAS = frozenset({"rtsp", "rtsps"})
PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,data,rtsp,rtsps,rtp,rtcp,srtp,udp"
"""What FFmpeg may use behind an address: a playlist from the network can name no file of this machine."""

TIMEOUT_SECONDS = 10.0
ASKED_BYTES = 4096
_READ_HINT = "Read are http://, https:// and rtsp:// addresses; save other videos to a file first."
_SIGNS_HINT = "In a name or password, write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, and % as %25."
_REACH_HINT = "Check the address, and whether this machine reaches it (a browser or player may tell more)."
_ANSWERS = {
    403: ("it refuses access", "Check whether the address has run out, or needs a name and password."),
    404: ("there is nothing at this address (404)", "Check the spelling of the address."),
    410: ("what was at this address is gone (410)", "Look for its new address."),
}


@dataclass(frozen=True)
class Address:
    """An address of a video. As text it is shown without password and query.

    Attributes:
        url: The whole address, with all secrets in it.
    """

    url: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Address:
        """An address whose scheme is read.

        Raises:
            VideoError: It is of another scheme, or names no host.
        """
        url = re.sub(r"^([A-Za-z][A-Za-z0-9+.\-]+):/(?!/)", r"\1://", text.strip())  # pathlib leaves one slash
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:  # its own text may hold a part of the password
            raise VideoError(
                f"The address {hide_secrets(url)} names no host and port that can be.", f"{_READ_HINT} {_SIGNS_HINT}"
            ) from None
        if parts.scheme.lower() not in WEB | CAMERAS:
            raise VideoError(f"Addresses that begin with {parts.scheme}:// are not read.", _READ_HINT)
        if not host:
            raise VideoError(f"The address {hide_secrets(url)} names no host.", _READ_HINT)
        return cls(url)

    @property
    def parts(self) -> SplitResult:
        """Scheme, host, path and so on."""
        return urlsplit(self.url)

    @property
    def is_web(self) -> bool:
        """Whether a web server is asked."""
        return self.parts.scheme.lower() in WEB

    @property
    def host(self) -> str:
        """Name or number of the host."""
        return self.parts.hostname or ""

    @property
    def name(self) -> str:
        """The last part of its path, or the host, safe as the name of a file."""
        return safe_file_name(PurePosixPath(unquote(self.parts.path)).name or self.host)

    @property
    def without_password(self) -> str:
        """The whole address for a web request, whose password travels in a header."""
        return urlunsplit(self.parts._replace(netloc=_drop_user(self.parts.netloc), fragment=""))

    def __str__(self) -> str:
        return hide_secrets(self.url)


@dataclass(frozen=True)
class Answer:
    """What a web server says of a video.

    Attributes:
        has_ranges: Whether it gives parts of it, so that a reader can move about in it.
        size_bytes: Its size; None where it does not say, as of a live stream.
        is_playlist: Whether it is a list of further addresses (HLS).
    """

    has_ranges: bool
    size_bytes: int | None
    is_playlist: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it is one file of a known size, which ends."""
        return self.size_bytes is not None and not self.is_playlist


def ask_server(address: Address) -> Answer:
    """Ask a web server for the beginning of a video.

    Raises:
        VideoError: The host cannot be reached, refuses, or answers with a text such as a web page.
    """
    from cltdr_cli.video.container import is_text

    with open_request(address, {"Range": f"bytes=0-{ASKED_BYTES - 1}"}) as response:
        start = response.read(ASKED_BYTES)
        if not start:
            raise VideoError(f"{address} is empty (0 bytes).", "Check the address.")
        is_playlist = start.lstrip().startswith(b"#EXTM3U")
        if is_text(start) and not is_playlist:
            kind = response.headers.get_content_type()
            raise VideoError(
                f"{address} is no video: the server answers with a text ({kind}).",
                "Give the address of the video file itself, not of the page that shows it.",
            )
        stated = response.headers.get("Content-Range", "").rpartition("/")[2]
        size = stated if response.status == 206 else response.headers.get("Content-Length", "")
        return Answer(response.status == 206, int(size) if size.isdigit() else None, is_playlist)


def open_request(address: Address, headers: dict[str, str]) -> HTTPResponse:
    """Ask a web server for something.

    Raises:
        VideoError: The host cannot be reached, or refuses.
    """
    request = urllib.request.Request(address.without_password, headers=headers)
    for name, value in _make_authorization(address).items():
        request.add_unredirected_header(name, value)  # no other host gets the password
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        raise explain_refusal(address, error.code) from None
    except (OSError, ValueError) as error:
        raise explain_unreachable(address, getattr(error, "reason", error)) from None


def explain_refusal(address: Address, status: int) -> VideoError:
    """The error for an address whose server answers with a status of HTTP or RTSP in place of the video."""
    if status != 401:
        reason, hint = _ANSWERS.get(status, (f"it answers with status {status}", _REACH_HINT))
    elif address.parts.username is None:
        reason = "it asks for a name and password"
        hint = f"Give them in the address: {address.parts.scheme}://NAME:PASSWORD@HOST/..."
    else:
        reason, hint = "it does not take this name and password", f"Check both. {_SIGNS_HINT}"
    return VideoError(f"{address} cannot be read from {address.host}: {reason}.", hint)


def explain_unreachable(address: Address, reason: object) -> VideoError:
    """The error for an address that could not be opened; the reason's own text may hold passwords and is not shown."""
    if isinstance(reason, ConnectionRefusedError):
        what = f"{address.host} refuses the connection: nothing listens at port {_find_port(address)}"
    elif isinstance(reason, TimeoutError):
        what = f"{address.host} does not answer within {TIMEOUT_SECONDS:g} s"
    elif isinstance(reason, socket.gaierror) or not _is_known(address.host):
        what = f"there is no host {address.host} that this machine knows"
    else:
        what = f"{address.host} does not give it: {getattr(reason, 'strerror', None) or type(reason).__name__}"
    return VideoError(f"{address} cannot be opened: {what}.", _REACH_HINT)


def _is_known(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _find_port(address: Address) -> int:
    usual = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
    return address.parts.port or usual[address.parts.scheme.lower()]


def _make_authorization(address: Address) -> dict[str, str]:
    parts = address.parts
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _drop_user(netloc: str) -> str:
    return netloc.rpartition("@")[2]
