"""Errors meant for the user's eyes: what happened, why, and what to do next."""

from __future__ import annotations


class CltdrError(Exception):
    """An expected failure of one input or of the whole run; exit status 1.

    Args:
        message: What happened and why, naming the file or value concerned.
        hint: What the user can do next; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(CltdrError):
    """The words of the command contradict each other or name something unknown; exit status 2."""

    exit_code = 2


class VideoError(CltdrError):
    """A video cannot be opened or holds nothing to read."""


class StreamBrokenError(VideoError):
    """A stream stopped decoding after some good frames.

    Args:
        message: What broke and why.
        hint: What to do next.
        seconds: Presentation time up to which the frames were good.
    """

    def __init__(self, message: str, hint: str = "", *, seconds: float) -> None:
        super().__init__(message, hint)
        self.seconds = seconds


class FeatureError(CltdrError):
    """A feature file or its sidecar is unreadable, damaged, or does not fit the model."""


class PresetError(UsageError):
    """There is no such preset, or its file has wrong, missing or contradictory keys."""


class WeightsError(CltdrError):
    """Weights are missing, damaged, unsafe, or do not fit the network."""


class NoConnectionError(WeightsError):
    """Weights were to be downloaded, and no server could be reached."""


class AnnotationError(CltdrError):
    """Annotations or predictions are unreadable or inconsistent."""


class OutputError(CltdrError):
    """A result cannot be written."""
