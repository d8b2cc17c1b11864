"""The process of the worker's package that groups the images of a folder: the producer computes
nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TypeVar

from producer.pages import worker_process
from shared import installation
from shared.errors import BadMessage, SetupError
from shared.pipes import labelling
from shared.pipes.framing import receive, send
from shared.pipes.labelling import FindGroups, FindSimilar, Groups, Order, Reply, SimilarImages

_MODULE = "worker.labelling"
#: Small products in several threads wait for each other: with one, a head of 5,000 images takes
#: less than 0.1 s.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

Found = TypeVar("Found", Groups, SimilarImages)


def check_installed() -> None:
    """Raises SetupError if the packages for it are missing."""
    if lack := installation.missing(worker_process.PACKAGES, "worker"):
        raise SetupError(f"images cannot be grouped: {lack}")


def start() -> subprocess.Popen[bytes]:
    """Start it."""
    return worker_process.start(_MODULE, **_ONE_THREAD)


def exchange(process: subprocess.Popen[bytes], order: Order) -> Reply | None:
    """The reply to an order; None if the process has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        send(process.stdin, labelling.encode(order))
        return labelling.decode_reply(receive(process.stdout) or b"")
    except (OSError, BadMessage):
        return None


def end(process: subprocess.Popen[bytes]) -> None:
    """End it, and wait for that."""
    process.kill()
    process.communicate()


def ended_early() -> SetupError:
    """What is reported of a process that ends again."""
    return SetupError(
        "the process that groups images ends; this shows why: "
        f"{sys.executable} -m {_MODULE} </dev/null"
    )


def found(order: FindGroups | FindSimilar, kind: type[Found]) -> Found:
    """The reply of a process for this order alone. Raises SetupError."""
    check_installed()
    process = start()
    try:
        reply = exchange(process, order)
    finally:
        end(process)
    if not isinstance(reply, kind):
        raise ended_early()
    return reply
