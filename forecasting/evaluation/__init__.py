"""Scores: metrics, baselines, every window of a part, rolling origins."""
