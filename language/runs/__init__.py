"""Run folders: what a training run writes, and nothing of it anywhere else."""
