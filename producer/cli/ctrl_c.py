"""Ctrl-C where no command handles it: while Python imports, and after a command has ended.

Nothing is imported here that Python has not imported at its start: Ctrl-C would come before the
handler.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the core of `signal`, which imports more
import os
import sys

_INTERRUPTED = 130  #: Exit.INTERRUPTED, whose module takes long to import
_TEXT, _JSON = "hangtag: interrupted", '{"code":130,"sentence":"interrupted","remedy":""}'


def end_at_once(*_: object) -> None:
    """End the process without a traceback; a handler of signals."""
    try:
        os.write(2, f"{_JSON if '--json' in sys.argv else _TEXT}\n".encode())
    finally:
        os._exit(_INTERRUPTED)


def handle() -> None:
    """Let Ctrl-C end the process at once, and also a KeyboardInterrupt that Python would print and
    lose, in a callback. A shell has it ignored in the background; then it stays so."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, end_at_once)
        sys.unraisablehook = _end_if_interrupted


def _end_if_interrupted(lost: sys.UnraisableHookArgs) -> None:
    if lost.exc_type is KeyboardInterrupt:
        end_at_once()
    sys.__unraisablehook__(lost)
