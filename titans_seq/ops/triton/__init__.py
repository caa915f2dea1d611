"""Fused GPU kernels for memories of one layer and of two.

Importing this package imports no triton; running a kernel does.
"""

from titans_seq.ops.triton._scan import memory_scan_triton, operand_dtype
from titans_seq.ops.triton._support import refused_by_machine, refused_gates, refused_rule, refused_sizes

__all__ = [
    "memory_scan_triton",
    "operand_dtype",
    "refused_by_machine",
    "refused_gates",
    "refused_rule",
    "refused_sizes",
]
