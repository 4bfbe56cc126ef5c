"""Published pickles of arrays are read; whatever else they hold is refused and never run."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict

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


class Tensor:
    """Pickled as a tensor over ten numbers."""

    def __init__(self, offset, size, stride):
        self.words = (torch.arange(10.0)._typed_storage(), offset, size, stride, False, OrderedDict())

    def __reduce__(self):
        return (torch._utils._rebuild_tensor_v2, self.words)


REACHING = [
    (0, (100, 4), (4, 1)), (1, (5, 2), (2, 1)), (0, (2, 2), (10, 1)), (-1, (2, 2), (1, 1)), (5, (2, 2), (-1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("offset", "size", "stride"), REACHING)
def test_a_tensor_that_reaches_past_its_numbers_is_refused(tmp_path, offset, size, stride):
    """PyTorch would lengthen the numbers by whatever lies in memory."""
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(Tensor(2, (4, 2), (2, 1))))
    assert next(iter(read_pickled(path).values())).tolist() == [[2, 3], [4, 5], [6, 7], [8, 9]]
    path.write_bytes(pickle.dumps(Tensor(offset, size, stride)))
    with pytest.raises(FeatureError):
        read_pickled(path)
