"""The memory as an operator: one meaning, several implementations (reference, chunked)."""

from titans_seq.ops.dispatch import explain_backend, memory_scan

__all__ = ["explain_backend", "memory_scan"]
