"""The `titans env` command: what is installed, what it would run on, and why."""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from titans_seq.experiment.provenance import installed_version

# The order is the order of the printed table.
PACKAGES = (
    "titans-seq",
    "torch",
    "triton",
    "numpy",
    "safetensors",
    "jaxtyping",
    "tyro",
    "lightning",
    "gluonts",
    "pandas",
    "scikit-learn",
    "statsmodels",
    "matplotlib",
    "biopython",
    "tokenizers",
)


@dataclass(frozen=True)
class Backend:
    """One way to run the memory on a device: whether it can, why, and whether it would run."""

    name: str
    available: bool
    reason: str
    runs: bool


@dataclass(frozen=True)
class Device:
    """One device: its torch name, what it is, and the backends in order of preference."""

    name: str
    description: str
    backends: tuple[Backend, ...]


@dataclass(frozen=True)
class Environment:
    """What `titans env` shows; a package that is not installed has the version None."""

    python: str
    platform: str
    packages: Mapping[str, str | None]
    devices: tuple[Device, ...]


def describe_environment() -> Environment:
    """Look at this process's Python, packages and devices.

    Example:
        >>> describe_environment().devices[0].name
        'cpu'
    """
    return Environment(
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        platform=platform.platform(),
        packages={name: installed_version(name) for name in PACKAGES},
        devices=_devices(),
    )


def main(argv: Sequence[str], prog: str = "titans env") -> int:
    """Print the environment as tables, or as JSON with `--json`.

    Args:
        argv: the arguments after the group's name.
        prog: the program name to show in the help.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Show versions, devices and which backend would run on each, and why.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(argv)
    environment = describe_environment()
    if options.json:
        print(json.dumps(asdict(environment), indent=2))
    else:
        _print_tables(environment)
    return 0


def _devices() -> tuple[Device, ...]:
    import torch

    cpu = f"{platform.machine()}, {torch.get_num_threads()} torch threads, {os.cpu_count()} cores"
    found = [Device("cpu", cpu, _backends("cpu"))]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        description = (
            f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, "
            f"compute capability {properties.major}.{properties.minor}, CUDA {torch.version.cuda}"
        )
        found.append(Device(f"cuda:{index}", description, _backends(f"cuda:{index}")))
    return tuple(found)


def _backends(device: str) -> tuple[Backend, ...]:
    from titans_seq.ops import explain_backend

    rows = explain_backend(device)
    first = next((name for name, available, _ in rows if available), None)
    return tuple(Backend(name, available, reason, name == first) for name, available, reason in rows)


def _print_tables(environment: Environment) -> None:
    from rich.console import Console
    from rich.table import Table

    packages = Table("package", "version")
    for name, number in environment.packages.items():
        packages.add_row(name, number or "not installed")
    backends = Table("device", "backend", "would run", "why")
    for device in environment.devices:
        backends.add_section()
        backends.add_row(device.name, "", "", device.description)
        for backend in device.backends:
            verdict = "yes" if backend.runs else "if asked for by name" if backend.available else "no"
            backends.add_row("", backend.name, verdict, backend.reason)
    console = Console()
    with console.capture() as shown:  # printed by itself, where a reader that has gone away ends the command as ever
        console.print(f"Python {environment.python} on {environment.platform}", highlight=False, soft_wrap=True)
        console.print(packages)
        console.print(backends)
    print(shown.get(), end="")
