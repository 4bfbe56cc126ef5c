"""Presets, weights and checkpoints by name."""
