"""Compile a launch for a GPU that is not there, and read what it needs of one."""

import re
import subprocess
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TYPES = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}


@dataclass(frozen=True)
class Needs:
    """What a compiled kernel takes of a multiprocessor.

    Attributes:
        registers: per thread, 255 at most.
        spilled: bytes of a thread's stack, which holds what did not fit into registers.
        shared: bytes of shared memory.
        products: instructions that multiply matrices in tensor cores.
    """

    registers: int
    spilled: int
    shared: int
    products: int


def compile_launch(launch: Any, cache: Path) -> Needs:
    """Compile a `Launch` for compute capability 9.0."""
    # Imported by name, because a type checker may run where there is no triton.
    triton = import_module("triton")
    target = import_module("triton.backends.compiler").GPUTarget("cuda", 90, 32)

    kernel = launch.kernel
    constant = {p.name for p in kernel.params if p.is_constexpr}
    names = [p.name for p in kernel.params]
    assert set(names) == set(launch.arguments), set(names) ^ set(launch.arguments)

    def type_of(name: str) -> str:
        value = launch.arguments[name]
        if name in constant:
            return "constexpr"
        return TYPES[value.dtype] if isinstance(value, Tensor) else "i32"

    signature = {name: type_of(name) for name in names}
    source = triton.compiler.ASTSource(
        fn=kernel,
        signature=signature,
        constexprs={name: launch.arguments[name] for name in names if name in constant},
        attrs={(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name].startswith("*")},
    )
    options = {"num_warps": launch.warps, "num_stages": launch.stages}
    compiled = triton.compile(source, target=target, options=options)
    file = cache / f"{kernel.__name__}.cubin"
    file.write_bytes(compiled.asm["cubin"])
    tool = Path(triton.__path__[0]) / "backends" / "nvidia" / "bin" / "cuobjdump"
    usage, code = (
        subprocess.run([str(tool), option, str(file)], capture_output=True, text=True, check=True).stdout
        for option in ("-res-usage", "-sass")
    )
    found = {name: int(number) for name, number in re.findall(r"(REG|STACK):(\d+)", usage)}
    return Needs(
        found["REG"], found["STACK"], compiled.metadata.shared, len(re.findall(r"\b(?:HGMMA|HMMA)\b", code))
    )  # fmt: skip
