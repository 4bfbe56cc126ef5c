"""Scores of detections against annotations, and what stands behind them; numpy only."""
