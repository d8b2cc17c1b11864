"""The peak memory of a process, which the kernel's `ru_maxrss` does not say of a child: that starts
with the size of the process which has started it.

`python -m benchmarks.measure.peak_memory FILE MODULE ...` runs a module as `python -m MODULE ...`,
and writes the bytes of its largest process into FILE.
"""

from __future__ import annotations

import resource
import runpy
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Of this process, since its program was started."""
    _, _, peak = Path("/proc/self/status").read_text().partition("VmHWM:")
    return int(peak.split()[0]) << 10  # the kernel counts in KiB


def command(file: Path, module: str, *arguments: str) -> list[str]:
    """The command that runs a module and writes the file."""
    return [sys.executable, "-m", __name__, str(file), module, *arguments]


def main() -> None:
    file, module = Path(sys.argv[1]).absolute(), sys.argv[2]
    del sys.argv[1:3]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # Children start with at most the size of this process.
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
        file.write_text(str(max(peak_bytes(), children)))


if __name__ == "__main__":
    main()
