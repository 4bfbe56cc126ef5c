"""Supervised training: targets, losses, optimiser, the loop, and runs that survive being killed."""
