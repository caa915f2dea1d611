"""Measurements, run from a checkout; never in the wheel."""
