"""Describes the machine and the versions, which a comparison of figures needs."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from producer.machine.machine_resources import cores, memory_bytes

PACKAGES = (
    "hangtag", "celery", "redis", "msgspec", "pillow", "numpy", "ai-edge-litert", "keras",
    "tensorflow",
)  # fmt: skip
#: Flags in /proc/cpuinfo, the fastest first: int8 networks differ several times between them.
VECTORS = {"avx512_vnni": "AVX512-VNNI", "avx_vnni": "AVX-VNNI", "avx2": "AVX2", "asimddp": "SDOT"}
#: Above this load other processes use the cores.
IDLE_LOAD = 0.3


def packages(server: str, ray: str) -> str:
    """One line: the memory, and the versions of the system and of what was measured."""
    kernel = ".".join(platform.release().split(".")[:2])
    system = f"{memory_bytes() / 2**30:.0f} GiB, {platform.system()} {kernel}, Python"
    found = [f"{system} {platform.python_version()}"]
    found += [f"{name} {version(name)}" for name in PACKAGES]
    return ", ".join([*found, server, *([f"ray {ray}"] if ray else [])])


def place() -> str:
    """The processor, and the number of cores."""
    return f"{cpu_model()}{_vectors()}, {cores()} cores"


def cpu_model() -> str:
    """The model's name in /proc/cpuinfo; its numbers tell generations with one name apart."""
    lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    found = {name.strip(): value.strip() for name, _, value in lines}
    if "model name" not in found:
        return platform.machine()
    numbers = [found.get(name, "?") for name in ("cpu family", "model")]
    return f"{found['model name']} ({'/'.join(numbers)})"


def _vectors() -> str:
    """The instructions that int8 networks use most, if the processor has them."""
    flags = Path("/proc/cpuinfo").read_text(errors="replace").split()
    found = [name for flag, name in VECTORS.items() if flag in flags]
    return f" with {found[0]}" if found else ""


def version(package: str) -> str:
    """The version of an installed distribution."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def busy() -> str:
    """A warning if the machine is not idle; empty if it is."""
    load = os.getloadavg()[0]
    if load < IDLE_LOAD:
        return ""
    return f"load {load:.1f} before the first run: the machine was not idle, do not quote these"
