"""cltdr eval and cltdr datasets called in this process, and the small files they read."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from cltdr_cli import console
from cltdr_cli.main import app

RUNNER = CliRunner()


def run(*words: object) -> Result:
    console.set_quiet(False)
    return RUNNER.invoke(app, [str(word) for word in words])


def flat(text: str) -> str:
    return " ".join(text.split())


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
