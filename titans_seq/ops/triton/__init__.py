"""Fused GPU kernels for memories of one layer and of two.

Importing this package imports no triton; running a kernel does.
"""

from titans_seq.ops.triton.scan import memory_scan_triton
from titans_seq.ops.triton.support import refused_by_triton

__all__ = ["memory_scan_triton", "refused_by_triton"]
