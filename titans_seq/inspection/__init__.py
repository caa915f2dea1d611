"""What the memories of a model do over an input: gates, surprise, weights, keys, retrieval, and what they are for."""

from titans_seq.inspection.collecting import inspect_memories
from titans_seq.inspection.measures import effective_rank
from titans_seq.inspection.results import Growth, Inspection, MemoryInspection, Retrieval, Trace, Use
from titans_seq.inspection.verdicts import verdict, verdict_of_all

__all__ = [
    "Growth",
    "Inspection",
    "MemoryInspection",
    "Retrieval",
    "Trace",
    "Use",
    "effective_rank",
    "inspect_memories",
    "verdict",
    "verdict_of_all",
]
