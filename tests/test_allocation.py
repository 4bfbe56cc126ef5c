"""Memory that an array has freed serves the next one, and PyTorch's arrays lie in huge pages."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from cltdr_cli.allocation import keep_freed_memory

SETTINGS = ("THP_MEM_ALLOC_ENABLE", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")

# Pages that the operating system has to bring when 64 MiB are asked for a second time, and the setting of PyTorch.
CODE = """
import os, resource, sys
from cltdr_cli.allocation import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    array = bytearray(b"x") * (64 << 20)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    del array
print(faults, "torch" in sys.modules, os.environ.get("THP_MEM_ALLOC_ENABLE"))
"""


def _run(how: str, **given: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | given
    done = subprocess.run(
        [sys.executable, "-c", CODE, how], capture_output=True, text=True, timeout=60, env=environment, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has this setting"
)
def test_freed_memory_serves_the_next_array():
    """Compared with each other: how many pages there are depends on whether the system takes huge ones by itself."""
    given_back = int(_run("as it was")[0])
    assert int(_run("kept")[0]) < given_back / 5
    assert int(_run("kept", MALLOC_MMAP_THRESHOLD_="1000000", MALLOC_TRIM_THRESHOLD_="1000000")[0]) > given_back / 2


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({"THP_MEM_ALLOC_ENABLE": "0"}, "0")])
def test_pytorch_asks_for_huge_pages_unless_the_user_says_otherwise(given, expected):
    assert _run("kept", **given)[1:] == ["False", expected]


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")
    keep_freed_memory()
