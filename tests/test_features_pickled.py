"""Published pickles of arrays are read; whatever else they hold is refused and never run."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch

from cltdr_cli.errors import FeatureError
from cltdr_cli.features.pickled import read_pickled


class RunsWhenRead:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol(tmp_path, protocol):
    rng = np.random.default_rng(0)
    slow, fast = rng.random((5, 3)).astype("f4"), np.asfortranarray(rng.random((5, 2)).astype(">f8"))
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"slow_feature": slow, "fast_feature": fast}, protocol))
    found = read_pickled(path)
    np.testing.assert_array_equal(found["slow_feature"], slow)
    np.testing.assert_array_equal(found["fast_feature"], fast)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tensors_of_every_protocol(tmp_path, protocol):
    slow = torch.arange(24.0).reshape(4, 6)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"slow_feature": slow, "fast_feature": slow[:, ::2].half()}, protocol))
    found = read_pickled(path)
    np.testing.assert_array_equal(found["slow_feature"], slow.numpy())
    np.testing.assert_array_equal(found["fast_feature"], slow[:, ::2].numpy())


def test_what_would_run_is_refused_by_name(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"slow_feature": RunsWhenRead(tmp_path / "ran")}))
    with pytest.raises(FeatureError, match="mkdir"):
        read_pickled(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        pickle.dumps({"slow_feature": np.array([{}], object)}),
        pickle.dumps({"slow_feature": "text"}),
        pickle.dumps({"slow_feature": np.ones((4, 4), "f4")})[:-30],
    ],
)
def test_damaged_files_are_told(tmp_path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(FeatureError, match=r"a\.pkl"):
        read_pickled(path)
