"""A process that decodes cases within limits: `python -m tests.fuzz.child`.

It writes its progress to a file that outlives it. A finding is a line of JSON on
standard output; standard error must stay empty.
"""

from __future__ import annotations

import json
import mmap
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.cases import case
from tests.fuzz.seeds import seeds
from tests.fuzz.verdict import SPECS, check, check_plain

#: Limit of processor time for one image, also on a busy machine. A careful child has 20 s.
MAX_CPU_S = 10.0
#: Limit of memory for one image, beside that of the process (worker/decoding/size_limits.py).
MAX_MB = 800
#: Limit of address space of the process, so that a fault does not exhaust the machine.
_SPACE_BYTES = 3 << 30
#: Of the current case, and the bytes of those before it.
PROGRESS = struct.Struct("<QQ")


def main(seed: str, first: str, end: str, seconds: str, progress: str) -> None:
    """Decode cases from `first` to before `end`, for `seconds` at most; write what is done to
    `progress`."""
    seeds()  # before the limits: some encoders need more memory than decoders
    for spec in SPECS:
        check(next(iter(seeds().values())), spec)
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE_BYTES, _SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    deadline, number, size = time.monotonic() + float(seconds), int(first), 0
    with open(progress, "r+b") as file, mmap.mmap(file.fileno(), PROGRESS.size) as page:
        while number < int(end) and time.monotonic() < deadline:
            page[:] = PROGRESS.pack(number, size)
            size += _decode(seed, number)
            number += 1
    _report(number, "end", "")


def _decode(seed: str, number: int) -> int:
    """Decode a case, report what it breaks, and return its size."""
    data, before = case(seed, number), _resident_mb()
    try:
        with _limited():
            check(data, SPECS[number % len(SPECS)])
            check_plain(data)
    except BaseException as error:
        _report(number, "exception", repr(error))
    if (grown := _peak_mb() - before) > MAX_MB:
        _report(number, "memory", f"{grown:.0f} MB")
    if grown > MAX_MB / 10:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    return len(data)


@contextmanager
def _limited() -> Iterator[None]:
    """Have the kernel kill this process if the block takes too long, as in
    worker/classify/process_state.py."""
    signal.setitimer(signal.ITIMER_PROF, MAX_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _report(number: int, what: str, text: str) -> None:
    print(json.dumps({"number": number, "what": what, "text": text[:500]}), flush=True)


def _resident_mb() -> float:
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return _status_mb("VmHWM")


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
