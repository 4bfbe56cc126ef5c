"""Folders of small features for tests, and what is found in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, Instance
from cltdr_cli.data.feature_checks import find_annotation_defects
from cltdr_cli.features.folder_report import find_folder_defects
from cltdr_cli.features.inspection import inspect_file
from cltdr_cli.features.listing import FeatureEntry, list_features
from cltdr_cli.features.sidecar import Recipe
from cltdr_cli.features.store import make_sidecar, save_features
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.video.frames import FrameTiming
from cltdr_cli.zoo.preset import FeatureConfig

RECIPE = Recipe(
    extractor="demo", weights_digest="ab" * 32, transform="squash to 112", layer="mean", precision="fp32",
    stride_frames=4, window_frames=16, requested_fps=None, source="clip.mp4", source_size=123, source_mtime=1.7e9,
)  # fmt: skip
MODEL = FeatureConfig("demo", 8, 4, 16, None)


def array(steps=10, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, width)).astype(np.float32)


def stored(folder, name, features=None, recipe=RECIPE, *, form="npy", frames=None, seconds=None):
    """Features of a constant 25 fps, each video's numbers its own."""
    features = array(seed=sum(map(ord, name))) if features is None else features
    frames = recipe.window_frames + recipe.stride_frames * (len(features) - 1) if frames is None else frames
    timing = FrameTiming(25.0, frames, 0.0, frames / 25 if seconds is None else seconds, ())
    sequence = FeatureSequence(features, FeatureGrid(25.0, 4, 16), timing.duration_seconds, name, recipe.extractor)
    return save_features(folder, sequence, make_sidecar(sequence, recipe, timing, "pyav"), form)


def rewritten(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def defects_of(path, keys=()):
    return [defect.kind for defect in inspect_file(FeatureEntry(path, path.stem), keys).defects]


def compared(folder):
    listing = list_features(folder)
    return find_folder_defects(listing, [inspect_file(entry) for entry in listing.entries])


def annotated(*videos):
    return Annotations({video.video_id: video for video in videos}, {"jump": 0}, "csv", Path("a.csv"))


def video(name="a", *segments, seconds=None, fps=None):
    return AnnotatedVideo(name, "training", tuple(Instance(s, e, "jump") for s, e in segments), seconds, fps)


def against(folder, *videos, files=None):
    listing = list_features(folder, *((files.file_prefix, files.file_suffix) if files is not None else ()))
    return find_annotation_defects([inspect_file(entry) for entry in listing.entries], annotated(*videos), files)


def spoiled(at, value):
    features = array()
    features[at] = value
    return features
