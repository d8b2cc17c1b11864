"""Standard error of a worker's processes, as their logs use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

#: A thread writes more than a pipe takes, so that it is at it until the test reads; then a fork.
FORKED_DURING_A_WRITE = """
import os, select, sys, threading, warnings
from worker.lifecycle import worker_log

warnings.simplefilter("ignore")  # of the fork: the parent would wait for the pipe to print it
worker_log.divert()
threading.Thread(target=sys.stderr.write, args=("x" * 1_000_000 + "\\n",)).start()
while select.select([], [sys.stderr.fileno()], [], 0)[1]:
    pass
child = os.fork()
if child == 0:
    sys.stderr.write("a line of the child\\n")
    os._exit(0)
print("forked", flush=True)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
WITHIN_S = 20


def test_a_child_that_is_forked_while_its_parent_writes_can_write() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKED_DURING_A_WRITE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        try:
            _, errors = process.communicate(timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0
    assert "a line of the child" in errors
