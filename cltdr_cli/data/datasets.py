"""The known data sets: splits, thresholds, classes, files, and the videos that protocols leave out, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.annotation_text import THUMOS_CLASSES
from cltdr_cli.data.class_lists import read_packaged_class_list
from cltdr_cli.errors import UsageError


@dataclass(frozen=True)
class Protocol:
    """A named choice of videos to score.

    Attributes:
        name: The value of ``protocol=``.
        videos: Number of test videos that it scores.
        without: Videos whose annotations and predictions are left out.
        only_ambiguous: Whether videos that hold nothing but Ambiguous rows are scored.
        unseen: Whether instances that begin after the end of their video are scored.
        reason: Why, and which programs use it.
    """

    name: str
    videos: int
    without: frozenset[str]
    only_ambiguous: bool
    unseen: bool
    reason: str


@dataclass(frozen=True)
class DatasetRecord:
    """What training and evaluation need to know about a data set.

    Attributes:
        name: The value of ``dataset=``.
        train_split: Split that published models are trained on.
        test_splits: Splits to score; by default the first of them that the annotation has.
        tious: First, last and number of temporal IoU thresholds.
        class_list: Name of the class list in ``zoo/labels``; empty where classes come from the annotation.
        first_id: Number of the first class in published files that number the classes.
        task: Column of EPIC-KITCHENS-100 that holds the class: ``verb`` or ``noun``.
        files: Where the annotation is expected under the data root, in order of preference.
        length_edges: Seconds that separate very short, short, medium, long and very long instances.
        count_edges: Numbers of instances of one class that separate videos with few and with many.
        protocols: Choices of videos, the default first; empty where all programs score the same videos.
        recall_multiples: Where recall@kx is reported, too: of each class of a video as many segments count as it has
            instances there (k), times each of these numbers.
        recall_tiou: Its temporal IoU threshold.
        background: Labels of the published frame-wise annotation that are no action.
        fps: Frames per second of the videos, where the published annotation does not say it.
        folds: Divisions into training and test videos, numbered from 1; 0 where there is but one.
        archive: Where features and annotation may be had together; empty where there is no such place.
        note: What to know when comparing numbers.
    """

    name: str
    train_split: str
    test_splits: tuple[str, ...]
    tious: tuple[float, float, int]
    class_list: str
    files: tuple[str, ...]
    first_id: int = 0
    task: str = "verb"
    length_edges: tuple[float, ...] = (3.0, 6.0, 12.0, 18.0)
    count_edges: tuple[float, ...] = (1.0, 4.0, 8.0)
    protocols: tuple[Protocol, ...] = ()
    recall_multiples: tuple[int, ...] = ()
    recall_tiou: float = 0.5
    background: tuple[str, ...] = ()
    fps: float | None = None
    folds: int = 0
    archive: str = ""
    note: str = ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names by number; empty where they come from the annotation."""
        return read_packaged_class_list(self.class_list) if self.class_list else ()

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Temporal IoU thresholds, float64 ``[T]``, spaced as the published evaluators space them."""
        return np.linspace(*self.tious)

    @property
    def row_classes(self) -> dict[int, str]:
        """Names of the class numbers in THUMOS rows (``video start end class-id score``)."""
        if self.name == "thumos14":
            return THUMOS_CLASSES
        return dict(enumerate(self.class_names, self.first_id))

    def find_protocol(self, name: str | None) -> Protocol | None:
        """Find a protocol by its name, by default the first; None where the data set has none.

        Raises:
            UsageError: The data set has no such protocol.
        """
        if name is None:
            return self.protocols[0] if self.protocols else None
        for protocol in self.protocols:
            if protocol.name == name:
                return protocol
        known = ", ".join(protocol.name for protocol in self.protocols)
        raise UsageError(
            f"{self.name} has no protocol {name!r}", f"It has {known}." if known else "Leave out protocol=."
        )


_MISMATCHED = "video_test_0000270"
_DISPUTED = "video_test_0001496"
_ONLY_AMBIGUOUS = "video_test_0001292"
_LONG = (30.0, 60.0, 120.0, 180.0)

_THUMOS_PROTOCOLS = (
    Protocol(
        "actionformer", 212, frozenset(), False, True,
        f"ActionFormer, TriDet, CLTDR: every test video but {_ONLY_AMBIGUOUS}, which has Ambiguous rows only",
    ),
    Protocol(
        "opentad", 211, frozenset({_MISMATCHED, _ONLY_AMBIGUOUS}), False, False,
        f"OpenTAD: also without {_MISMATCHED}, whose 29 HammerThrow rows belong to another video, and without the "
        "4 rows in other videos that begin after their end",
    ),
    Protocol(
        "gtad", 210, frozenset({_MISMATCHED, _ONLY_AMBIGUOUS, _DISPUTED}), False, True,
        f"G-TAD, AFSD, SSN: without {_MISMATCHED} too, and without {_DISPUTED}, whose 18 CricketShot rows "
        "are disputed",
    ),
    Protocol("full", 213, frozenset(), True, True, f"every annotated test video, {_ONLY_AMBIGUOUS} included"),
)  # fmt: skip

_ACTIVITYNET_TIOUS = (0.5, 0.95, 10)
_ARCHIVE = "github.com/bityangke/AP_TCN (folder features)"
_LEAVE_OUT = "Features of split k go with split k only: the network behind them has seen its training videos."

_RECORDS = (
    DatasetRecord(
        "thumos14", "validation", ("test",), (0.3, 0.7, 5), "thumos14",
        ("thumos14/thumos14.json", "thumos/annotations/thumos14.json", "thumos14", "thumos14/thumos_gt.json",
         "Thumos14reduced-Annotations"),
        count_edges=(1.0, 40.0, 80.0), protocols=_THUMOS_PROTOCOLS,
        note="Ambiguous rows are not scored: a detection there is a false positive, as in all Python evaluators.",
    ),
    DatasetRecord(
        "multithumos", "training", ("test", "validation"), (0.1, 0.9, 9), "multithumos",
        ("multithumos/multithumos.json", "multithumos/annotations/multithumos.json"), first_id=1,
        count_edges=(1.0, 40.0, 80.0), note="The videos of THUMOS14 with 65 classes.",
    ),
    DatasetRecord(
        "epic-kitchens-100-verb", "training", ("validation",), (0.1, 0.5, 5), "epic100-verb",
        ("epic100/EPIC_100_validation.csv", "epic_kitchens/annotations/epic_kitchens_100_verb.json"), task="verb",
        length_edges=(2.0, 4.0, 6.0, 8.0), count_edges=(1.0, 40.0, 80.0),
    ),
    DatasetRecord(
        "epic-kitchens-100-noun", "training", ("validation",), (0.1, 0.5, 5), "epic100-noun",
        ("epic100/EPIC_100_validation.csv", "epic_kitchens/annotations/epic_kitchens_100_noun.json"), task="noun",
        length_edges=(2.0, 4.0, 6.0, 8.0), count_edges=(1.0, 40.0, 80.0),
    ),
    DatasetRecord(
        "activitynet-1.3", "training", ("validation",), _ACTIVITYNET_TIOUS, "activitynet13",
        ("activitynet/activity_net.v1-3.min.json", "anet_1.3/annotations/anet1.3_i3d_filtered.json",
         "activitynet/anet_anno_action.json"), length_edges=_LONG,
        note="Numbers compare only on the same list of videos: 4,926 in the official validation split, 4,728 "
        "where blocked ones are left out. They also hang on the video-level classifier.",
    ),
    DatasetRecord(
        "activitynet-1.2", "training", ("validation",), _ACTIVITYNET_TIOUS, "activitynet12",
        ("activitynet/activity_net.v1-2.min.json", "activitynet/activity_net.v1-2.min-missing-removed.json",
         "ActivityNet1.2-Annotations"), length_edges=_LONG,
        note="The 100 classes of release 1.2, which weakly supervised localization reports. Numbers compare only on "
        "the same list of videos.",
    ),
    DatasetRecord(
        "hacs", "training", ("validation",), _ACTIVITYNET_TIOUS, "hacs",
        ("hacs/HACS_segments_v1.1.1.json", "hacs/annotations/HACS_segments_v1.1.1.json"), length_edges=_LONG,
        note="Some published numbers fuse scores of an outside classifier.",
    ),
    DatasetRecord(
        "charades", "training", ("test",), (0.1, 0.9, 9), "charades",
        ("charades/charades.json", "charades/Charades_v1_test.csv"),
    ),
    DatasetRecord(
        "ego4d-mq", "training", ("validation",), (0.1, 0.5, 5), "",
        ("ego4d/annotations", "ego4d"), recall_multiples=(1, 5),
        note="Moment queries: clips under their clip_uid; the 110 classes are those of the annotation.",
    ),
    DatasetRecord(
        "gtea", "training", ("test", ""), (0.3, 0.7, 5), "", ("gtea/annotations.json", "gtea/groundTruth"),
        length_edges=(1.0, 2.0, 4.0, 8.0), background=("background",), fps=15.0, folds=4, archive=_ARCHIVE,
        note=f"28 videos, split k leaves out person k. {_LEAVE_OUT}",
    ),
    DatasetRecord(
        "50salads", "training", ("test", ""), (0.3, 0.7, 5), "", ("50salads/annotations.json", "50salads/groundTruth"),
        length_edges=(5.0, 10.0, 20.0, 40.0), background=("action_start", "action_end"), fps=30.0, folds=5,
        archive=_ARCHIVE, note=f"50 videos, 17 classes (mid level). {_LEAVE_OUT}",
    ),
    DatasetRecord(
        "breakfast", "training", ("test", ""), (0.3, 0.7, 5), "",
        ("breakfast/annotations.json", "breakfast/groundTruth"),
        length_edges=(5.0, 10.0, 20.0, 40.0), background=("SIL",), fps=15.0, folds=4,
        note="1,712 videos, 47 classes without SIL.",
    ),
    DatasetRecord(
        "custom", "training", ("test", "validation", "training", ""), (0.3, 0.7, 5), "",
        ("annotations.json", "annotations.csv"), note="Your own videos; classes are those of the annotation.",
    ),
)  # fmt: skip

DATASETS = {record.name: record for record in _RECORDS}
"""Every known data set by name."""


def find_dataset(name: str) -> DatasetRecord:
    """Find a data set by its name.

    Raises:
        UsageError: There is no such data set.
    """
    if name not in DATASETS:
        raise UsageError(f"unknown data set: {name}", f"Known: {', '.join(DATASETS)}.")
    return DATASETS[name]


def find_annotation_file(record: DatasetRecord, given: Path | None, data_root: Path | None) -> Path:
    """Find the annotation: the given one, else the first expected file that exists under the data root.

    Raises:
        UsageError: No annotation was given or found.
    """
    if given is not None:
        return given
    if data_root is None:
        raise UsageError(
            f"no annotation of {record.name} was given",
            "Give annotations= or, for a folder that holds one of the published files, data_root= or $CLTDR_DATA: "
            + _list_alternatives(record),
        )
    expected = find_expected_file(record, data_root)
    if expected is None:
        raise UsageError(f"{data_root} has no annotation of {record.name}", f"Expected: {_list_alternatives(record)}")
    return expected


def find_expected_file(record: DatasetRecord, data_root: Path) -> Path | None:
    """Find the first of the data set's files that exists under the data root; None if none does."""
    return next((data_root / name for name in record.files if (data_root / name).exists()), None)


def _list_alternatives(record: DatasetRecord) -> str:
    return " or ".join(record.files)
