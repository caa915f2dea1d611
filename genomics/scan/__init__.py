"""Predictions along contigs: windows from files of any length, and tracks for genome browsers."""

from .scanning import Scan, Scanner, ScanOptions, Target, scan
from .tracks import SUFFIXES, check_track, open_track
from .windows import Stretch, Window, cut_windows, stretches, windows_of

__all__ = [
    "SUFFIXES",
    "Scan",
    "ScanOptions",
    "Scanner",
    "Stretch",
    "Target",
    "Window",
    "check_track",
    "cut_windows",
    "open_track",
    "scan",
    "stretches",
    "windows_of",
]
