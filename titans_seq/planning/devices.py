"""Devices as their makers describe them; none of these figures was measured here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A device by its data sheet.

    Attributes:
        about: its full name.
        half: operations a second of dense products of bfloat16 matrices, summed in float32.
        single: likewise of float32, without TF32.
        bandwidth: bytes a second of its memory.
        memory: bytes of it.
        source: where the figures stand.
        host: whether operations run where they are called, one after the other; a GPU takes them from a queue.

    Example:
        >>> DEVICES["h100"].about, DEVICES["h100"].bandwidth / 1e12  # TB/s
        ('NVIDIA H100 SXM', 3.35)
    """

    about: str
    half: float
    single: float
    bandwidth: float
    memory: float
    source: str
    host: bool = False


# Dense figures: data sheets print those "with sparsity" too, which are twice as high.
DEVICES = {
    "a100-40": Device("NVIDIA A100 40GB", 312e12, 19.5e12, 1.555e12, 40e9, "NVIDIA A100 data sheet, 2021"),
    "a100": Device("NVIDIA A100 80GB SXM", 312e12, 19.5e12, 2.039e12, 80e9, "NVIDIA A100 data sheet, 2021"),
    "h100": Device("NVIDIA H100 SXM", 989.4e12, 66.9e12, 3.35e12, 80e9, "NVIDIA H100 architecture white paper, 2022"),
    "h100-pcie": Device("NVIDIA H100 PCIe", 756e12, 51.2e12, 2.04e12, 80e9, "NVIDIA H100 architecture white paper"),
    "h200": Device("NVIDIA H200 SXM", 989.4e12, 66.9e12, 4.8e12, 141e9, "NVIDIA H200 data sheet, 2024"),
    "b200": Device("NVIDIA B200", 2.25e15, 80e12, 8e12, 180e9, "NVIDIA HGX B200 data sheet, 2024"),
    "l40s": Device("NVIDIA L40S", 362e12, 91.6e12, 864e9, 48e9, "NVIDIA L40S data sheet, 2023"),
    "rtx4090": Device(
        "NVIDIA RTX 4090", 165.2e12, 82.6e12, 1.008e12, 24e9, "NVIDIA Ada architecture white paper, 2022"
    ),
    "rtx3090": Device("NVIDIA RTX 3090", 71e12, 35.6e12, 936e9, 24e9, "NVIDIA Ampere GA102 white paper, 2020"),
    "rtx5090": Device("NVIDIA RTX 5090", 209.5e12, 104.8e12, 1.792e12, 32e9, "NVIDIA RTX Blackwell white paper, 2025"),
    "mi300x": Device("AMD MI300X", 1307.4e12, 163.4e12, 5.3e12, 192e9, "AMD MI300X data sheet, 2023"),
    # 64 operations a cycle (two AVX-512 units) at the base clock of 2 GHz; a 56th of eight channels of DDR5-4800.
    # Without AMX, products of bfloat16 are no faster.
    "cpu-core": Device(
        "core of an Intel Xeon Platinum 8480+",
        128e9,
        128e9,
        5.5e9,
        64e9,
        "Intel's product page, 2023; memory is an example",
        host=True,
    ),
}
