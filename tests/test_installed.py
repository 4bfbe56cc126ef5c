"""What the suite skips where it is missing must be there where the suite decides: CI skips nothing for it."""

from __future__ import annotations

import importlib
import os

import pytest

OPTIONAL = (
    "av", "cv2", "h5py", "matplotlib", "nncf", "opentimelineio", "openvino", "pyarrow", "ray", "scipy", "selenium",
    "tensorboard", "timm", "zarr",
)  # fmt: skip


@pytest.mark.skipif("CI" not in os.environ, reason="outside of CI, extras that are not installed are not tested")
@pytest.mark.parametrize("package", OPTIONAL)
def test_ci_has_every_extra(package):
    importlib.import_module(package)
