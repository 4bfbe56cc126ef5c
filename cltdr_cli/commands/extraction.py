"""The loop behind cltdr extract-features: finished files are skipped, failures listed, nothing half-written."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cltdr_cli import console
from cltdr_cli.errors import CltdrError, FeatureError, UsageError, VideoError
from cltdr_cli.features.extract import check_extraction
from cltdr_cli.features.sidecar import Recipe
from cltdr_cli.features.store import save, sidecar_of, why_unfinished
from cltdr_cli.files import check_writable_folder, write_text
from cltdr_cli.pipeline import VideoOptions, extract_video
from cltdr_cli.video.inputs import Input, Inputs, find_inputs
from cltdr_cli.zoo.extractors import LoadedExtractor, ModelSources, extractor_record, load_extractor
from extractors.spec import ExtractorSpec


@dataclass
class ExtractionRun:
    """Everything checked; weights are loaded when the first video needs them."""

    inputs: Inputs
    extractor: str
    sources: ModelSources
    options: VideoOptions
    out: Path
    shard: tuple[int, int]
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @classmethod
    def prepare(
        cls,
        words: Sequence[str],
        extractor: str,
        sources: ModelSources,
        options: VideoOptions,
        out: Path,
        shard: str,
    ) -> ExtractionRun:
        """Resolve and check, so that what can be wrong is wrong before the work begins.

        Raises:
            UsageError: No such extractor or option, a window it cannot take, or a wrong shard.
            OutputError: The folder takes no files.
        """
        spec = _option(extractor, sources.option)
        check_extraction(
            spec,
            stride_frames=options.stride_frames or spec.stride_frames,
            window_frames=options.window_frames or spec.window_frames,
            batch_clips=options.batch_clips,
        )
        part = _shard(shard)
        inputs = find_inputs(words)
        for text in inputs.notices:
            console.notice(text)
        check_writable_folder(out)
        return cls(inputs, extractor, sources, options, out, part)

    @property
    def count(self) -> int:
        """Inputs of this shard, and words that led to no file."""
        return len(self.files) + len(self.inputs.failures)

    @cached_property
    def files(self) -> list[Input]:
        """The files of this shard: a stable hash of the id decides, so that the shards together are all."""
        index, parts = self.shard
        return [item for item in self.inputs.files if _stable_hash(item.video_id) % parts == index - 1]

    @cached_property
    def loaded(self) -> LoadedExtractor:
        """The extractor, once it is needed."""
        return load_extractor(self.extractor, self.sources)

    @property
    def failures_file(self) -> Path:
        """Where failures are listed; shards have a list each."""
        index, parts = self.shard
        return self.out / ("failed.csv" if parts == 1 else f"failed-{index}-of-{parts}.csv")

    def extract_all(self, overwrite: bool) -> int:
        """Work through the inputs; returns how many failed."""
        for failure in self.inputs.failures:
            self._fail(failure.word, failure.error)
        done = skipped = 0
        for position, item in enumerate(self.files):
            try:
                if self._extract(item, position, overwrite):
                    done += 1
                else:
                    skipped += 1
            except (VideoError, FeatureError) as error:
                self._fail(str(item.path), error)
        if self.failures or self.failures_file.exists():
            self._list_failures()
        console.notice(f"{done} extracted, {skipped} already there, {len(self.failures)} failed: {self.out}")
        return len(self.failures)

    def _extract(self, item: Input, position: int, overwrite: bool) -> bool:
        """Extract one video unless it is finished; returns whether there was work."""
        if item.is_features:
            raise FeatureError(f"{item.path} holds features already.", "Give videos.")
        recipe = self._recipe(item.path)
        reason = why_unfinished(self.out, item.video_id, recipe)
        if not reason and not overwrite:
            return False
        with console.progress(f"{item.video_id} ({position + 1}/{len(self.files)})", None, "frames") as bar:
            video = extract_video(item.path, self.loaded.extractor, self.options, bar.update)
        for text in video.warnings:
            console.warning(text)
        sequence = video.named(item.video_id).sequence
        save(self.out, sequence, sidecar_of(sequence, recipe, video.timing, video.info.reader))
        return True

    def _recipe(self, path: Path) -> Recipe:
        spec, options = self.loaded.extractor.spec, self.options
        try:
            facts = path.stat()
        except OSError as error:
            raise VideoError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
        return Recipe(
            extractor=spec.name,
            weights_digest="+".join(self.loaded.digests.values()) or None,
            transform=spec.transform,
            layer=spec.layer,
            precision=self.sources.precision,
            stride_frames=options.stride_frames or spec.stride_frames,
            window_frames=options.window_frames or spec.window_frames,
            requested_fps=options.fps or spec.rate,
            source=path.name,
            source_size=facts.st_size,
            source_mtime=facts.st_mtime,
        )

    def _fail(self, word: str, error: CltdrError) -> None:
        message = error.message if Path(word).name in error.message else f"{word}: {error.message}"
        console.error_panel(CltdrError(message, error.hint))
        self.failures.append((word, error.message))
        self._list_failures()

    def _list_failures(self) -> None:
        """The list is whole after every failure, so that a killed run has named what failed."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("input", "reason"))
        rows.writerows((word, " ".join(reason.split())) for word, reason in self.failures)
        write_text(self.failures_file, text.getvalue(), "backslashreplace")


def _option(extractor: str, option: str | None) -> ExtractorSpec:
    try:
        return extractor_record(extractor).with_option(option)
    except ValueError as error:
        raise UsageError(f"--option: {error}.", "Leave it out for the usual one.") from error


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    index, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= parts:
        raise UsageError(
            f"--shard {text}: not I/N with I from 1 to N", "for instance --shard 1/4, 2/4, 3/4 and 4/4"
        )
    return index, parts


def _stable_hash(video_id: str) -> int:
    return int.from_bytes(hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()[:8], "big")
