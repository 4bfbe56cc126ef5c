"""How the library tells of its progress: whoever calls it passes a ``Reporter``, and hears nothing without one.

The command line passes its console (``console.REPORTER``). A program passes an object of its own, or none.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cltdr_cli.errors import CltdrError


class Bar(Protocol):
    """One piece of work whose progress is shown."""

    def update(self, done: float, total: float | None = None, skipped: float = 0) -> None:
        """Say that ``done`` units are done, of ``total``; ``skipped`` of them took no time."""
        ...


class Reporter(Protocol):
    """What a long piece of work has to say while it runs."""

    def notice(self, text: str) -> None:
        """Something worth knowing."""
        ...

    def warning(self, text: str) -> None:
        """Something that is not as it should be, and does not stop the work."""
        ...

    def failure(self, source: str, error: CltdrError) -> None:
        """One input (a path, or what the user wrote) failed; the others go on."""
        ...

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question; False where nobody is there to answer."""
        ...

    def progress(self, description: str, total: float | None, unit: str) -> AbstractContextManager[Bar]:
        """A bar for one piece of work: ``total`` units, None where that is unknown; ``unit`` is plural."""
        ...


class _SilentBar:
    def update(self, done: float, total: float | None = None, skipped: float = 0) -> None:
        """Nothing."""


class _Silent:
    def notice(self, text: str) -> None:
        """Nothing."""

    def warning(self, text: str) -> None:
        """Nothing."""

    def failure(self, source: str, error: CltdrError) -> None:
        """Nothing."""

    def confirm(self, question: str) -> bool:
        """No: nobody hears the question."""
        return False

    @contextmanager
    def progress(self, description: str, total: float | None, unit: str) -> Generator[Bar]:
        """A bar that nobody sees."""
        yield _SilentBar()


SILENT: Reporter = _Silent()
"""The reporter of whoever does not want to hear anything."""
