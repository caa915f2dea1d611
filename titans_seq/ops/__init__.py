"""The memory as an operator: one meaning, several implementations (reference, chunked, triton)."""

from titans_seq.ops.dispatch import Backend, explain_backend, memory_scan

__all__ = ["Backend", "explain_backend", "memory_scan"]
