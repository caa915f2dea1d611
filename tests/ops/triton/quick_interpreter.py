"""Triton's interpreter, made quick where it takes most of its time for what can be done at once."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest


def scan_rows(self: Any, tensors: tuple) -> list:
    """Do what the interpreter's `ScanOps.generic_scan` does one number at a time, with a whole row at a time."""
    given = [np.moveaxis(tensor.handle.data, self.axis, 0) for tensor in tensors]
    found = [np.empty_like(x) for x in given]

    def row(of: list, at: int) -> list:
        return [self.to_tensor(x[at], tensor.dtype) for x, tensor in zip(of, tensors, strict=True)]

    for at in range(len(given[0])):
        now = row(given, at)
        if at:
            now = self.combine_fn.fn(*row(found, at - 1), *now)
        for x, part in zip(found, now, strict=True):
            x[at] = part.handle.data.reshape(x[at].shape)
    return [self.to_tensor(np.moveaxis(x, 0, self.axis), t.dtype) for x, t in zip(found, tensors, strict=True)]


@contextmanager
def quick_interpreter() -> Iterator[Callable[..., list]]:
    """Scan by rows, and find and replace the functions of triton's language once, not at each call of a function.

    Gives the interpreter's own scan.
    """
    from triton.language.core import dtype, is_builtin
    from triton.runtime import interpreter

    @functools.cache
    def builtins(package: Any) -> list[str]:
        return [name for name, member in inspect.getmembers(package) if is_builtin(member)]

    def patch_builtin(package: Any, *rest: Any) -> None:
        for name in builtins(package):
            if is_builtin(member := getattr(package, name)):
                interpreter._patch_attr(package, name, member, *rest)

    for_pointers = interpreter._get_np_dtype
    for_numbers = functools.cache(for_pointers)

    def numpy_dtype(kind: Any) -> np.dtype:
        return for_numbers(kind.scalar) if type(kind.scalar) is dtype else for_pointers(kind)

    def call_within_a_kernel(function: Any, *given: Any, **named: Any) -> Any:
        if function.fn.__module__.startswith("triton."):  # ours see what was replaced when the kernel began
            interpreter._patch_lang(function.fn)
        return function.rewrite()(*given, **named)

    own_scan = interpreter.ScanOps.generic_scan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter.ScanOps, "generic_scan", scan_rows)
        patch.setattr(interpreter, "_patch_builtin", patch_builtin)
        patch.setattr(interpreter, "_get_np_dtype", numpy_dtype)
        patch.setattr(interpreter.InterpretedFunction, "__call__", call_within_a_kernel)
        yield own_scan
