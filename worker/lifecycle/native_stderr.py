"""What libraries in C++ print on standard error, apart from Python's log: TensorFlow's remarks are
dropped, and of the rest, such as the reason of an abort, each line is one of the log.

The parent reads them, since a child may be about to die. Python's own log goes past it.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
from typing import TextIO

from shared import json_log

#: Remarks of TensorFlow, absl and LiteRT below the level of an error, and that a machine without a
#: GPU has no driver for one.
_REMARK = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d:\d+\.\d|"
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] |INFO: |fully_quantize: |"
    rb"E\d{4} .* failed call to cuInit: .*\(303\)"
)
_STDERR = 2
#: The wait for the last lines at the end: of children that still have the pipe there is none.
_END_S = 1.0
_out: TextIO | None = None


def divert() -> threading.Thread:
    """Read standard error of this process and its children from now on. Call `restore` at the
    end, and before this process is replaced."""
    global _out
    # A buffer has a lock: a child that is forked while a thread of its parent writes would wait for
    # it for ever, at its first line.
    raw = open(os.dup(_STDERR), "wb", buffering=0)  # noqa: SIM115
    _out = io.TextIOWrapper(raw, errors="backslashreplace", write_through=True)
    sys.stderr = sys.__stderr__ = _out  # type: ignore[misc]
    reading, writing = os.pipe()
    os.dup2(writing, _STDERR)
    os.close(writing)
    reader = threading.Thread(target=_read, args=(reading, _out), name="native-stderr", daemon=True)
    reader.start()
    return reader


def is_diverted() -> bool:
    return _out is not None


def restore(reader: threading.Thread | None = None) -> None:
    """Have this process write to its own standard error again."""
    if _out is None:
        return
    os.dup2(_out.fileno(), _STDERR)
    if reader is not None:
        reader.join(_END_S)


def _read(reading: int, out: TextIO) -> None:
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            if line.strip() and not _REMARK.match(line):
                text = line.decode(errors="replace").rstrip("\n")
                shown = (
                    json_log.line("stderr", text, logging.WARNING) if json_log.wanted() else text
                )
                out.write(f"{shown}\n")
