"""Scores of predictions against annotations, and an analysis of the errors; needs numpy only."""
