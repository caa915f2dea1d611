"""Series from files, frames and GluonTS: everything a model needs is checked here, so nothing is later."""

from .batches import read_series_batches
from .covariates import calendar_features
from .describing import describe_series
from .frames import from_frame, from_table
from .frequency import future_index, period_of
from .gluonts_io import from_gluonts, to_gluonts
from .inferring import infer_frequency
from .loading import load_series
from .naming import describe_renamed, own_names
from .options import Duplicates, FrameOptions, Holes, TableOptions
from .reading import read_table
from .series import Item, SeriesData
from .table import Table
from .tsf import read_tsf

__all__ = [
    "Duplicates",
    "FrameOptions",
    "Holes",
    "Item",
    "SeriesData",
    "Table",
    "TableOptions",
    "calendar_features",
    "describe_renamed",
    "describe_series",
    "from_frame",
    "from_gluonts",
    "from_table",
    "future_index",
    "infer_frequency",
    "load_series",
    "own_names",
    "period_of",
    "read_series_batches",
    "read_table",
    "read_tsf",
    "to_gluonts",
]
