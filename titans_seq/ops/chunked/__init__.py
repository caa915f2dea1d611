"""The memory chunk by chunk in PyTorch: exact, and without a weight matrix per token."""

from titans_seq.ops.chunked.scan import memory_scan_chunked

__all__ = ["memory_scan_chunked"]
