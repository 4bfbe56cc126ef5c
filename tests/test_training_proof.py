"""Learning on real annotations, end to end; minutes long, so only with ``-m slow``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import REPOSITORY

SCRIPT = REPOSITORY / "examples" / "learns_from_real_annotations.py"


@pytest.mark.slow
def test_training_learns_from_real_annotations(shared, tmp_path):
    truth = shared / "data" / "annotations" / "thumos14" / "thumos14.json"
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), str(truth), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results) == ["weak", "strong", "of others", "one window late"]
