"""`python -m tests.faults.apps.interrupted_command WHERE ARGUMENT...`: `hangtag` with Ctrl-C at one
import, by its number, counted from that of the command line; or at the `end` of Python.

It prints the number of imports, if it gets that far.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys

FIRST = "producer.cli.main"


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_at(number: int) -> None:
    """Interrupt at one import; print the number of all at the end."""
    names = list[str]()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "import" and (names or arguments[0] == FIRST):
            names.append(str(arguments[0]))
            if len(names) == number:
                interrupt()

    sys.addaudithook(hook)
    atexit.register(lambda: print(len(names)))


if __name__ == "__main__":
    where = sys.argv.pop(1)
    if where == "end":
        atexit.register(interrupt)  # before those of the command, which run first
    else:
        interrupt_at(int(where))
    runpy.run_module("producer.cli", run_name="__main__", alter_sys=True)
