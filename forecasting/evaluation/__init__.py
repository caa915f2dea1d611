"""Scores: error sums, baselines, every window of a part, rolling origins."""
