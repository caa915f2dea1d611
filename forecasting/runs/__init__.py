"""Run folders: what they hold, and training and using a model from files."""
