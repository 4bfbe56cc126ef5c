"""Fixtures that every room shares."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos, annotations and golden numbers that stands beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the folder 'shared' (real files, golden numbers) does not stand beside the repository")
    return folder
