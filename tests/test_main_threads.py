"""How threads of the network wait for each other, which the command line settles before PyTorch is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
from cltdr_cli.main import main
sys.argv = ["cltdr", "--version"]
try:
    main()
except SystemExit:
    print("torch" in sys.modules, os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize(("given", "expected"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, env=environment, check=True
    )
    assert done.stdout.splitlines()[-1] == f"False {expected}"
