"""Temporal action localization on raw video: what happens when in long, untrimmed footage."""

__version__ = "0.1.0"
