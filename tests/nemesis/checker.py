"""The checker: what must be true when a round is over. It knows nothing of faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import redis

from shared import keys
from shared.errors import Exit
from tests.support.servers.leftover_keys import BINDINGS, OF_MODELS

#: Ends of a `classify` that a fault may bring about; the last one must be OK.
FAULTY_ENDS = frozenset({Exit.SETUP, Exit.INTERRUPTED, -9})
#: What a one-line error may name as the cause, where the command ends with Exit.SETUP.
CAUSES = (
    "does not answer",  # the server
    "free space, run again",  # the disk, under the journal
    "No space left on device",  # the disk, under the table
    "make room, and give the same command again",  # the server: its memory, or its disk
    "there is no model",  # an emptied server, until the store's owner has been round
)
#: Keys that stay: of living workers, and what stands however many jobs come and go.
_STAY = (keys.WORKERS, keys.worker(""), BINDINGS, *OF_MODELS)


class Rows(NamedTuple):
    """How a table differs from what it must be. All zero: it does not differ by a byte."""

    lost: int
    doubled: int
    wrong: int
    moved: int  #: in another order


def compare(expected: bytes, table: bytes) -> Rows:
    """Count rows by their path: each input must have exactly one, with exactly its bytes."""
    wanted, found = expected.splitlines(keepends=True), table.splitlines(keepends=True)
    want, have = Counter(map(_path, wanted)), Counter(map(_path, found))
    lost, doubled = (want - have).total(), (have - want).total()
    different = (Counter(found) - Counter(wanted)).total()
    wrong = max(0, different - doubled)
    moved = sum(a != b for a, b in zip(wanted, found, strict=False))
    return Rows(lost, doubled, wrong, 0 if lost or doubled or wrong else moved)


def table_faults(expected: bytes, table: bytes) -> list[str]:
    """In words; nothing where the bytes are equal."""
    if table == expected:
        return []
    return [f"the table is not the oracle's: {compare(expected, table)}"]


def end_faults(code: int, said: str) -> list[str]:
    """An end of the producer before the last: it has a stable code, and names its cause."""
    if "Traceback" in said:
        return [f"the producer ended with {code} and a traceback: {said[-500:]}"]
    if code not in FAULTY_ENDS:
        return [f"the producer ended with {code}: {said[-500:]}"]
    if code == Exit.SETUP and not any(cause in said for cause in CAUSES):
        return [f"the producer stopped for no fault that was made: {said[-500:]}"]
    return []


def key_faults(left: Mapping[str, int], expiring: bool) -> list[str]:
    """`left`: key -> seconds it has to live, -1 without end.

    `expiring`: the server was not to be had when the job ended, so that its keys could not be
    deleted; then they must have an end by themselves.
    """
    found = []
    for key, seconds in sorted(left.items()):
        if key.startswith(_STAY) or (key.startswith(f"{keys.PREFIX}request:") and seconds > 0):
            continue
        if expiring and (seconds > 0 or key == keys.JOBS):  # `status` clears that list
            continue
        found.append(f"{key} is left in Redis, {seconds} s to live")
    return found


def left(client: redis.Redis) -> dict[str, int]:
    """Every key, and how long it has to live, in seconds."""
    found = [key.decode() for key in client.scan_iter()]
    return {key: client.ttl(key) for key in found}


def process_faults(pids: Collection[int], codes: Iterable[int]) -> list[str]:
    """Processes that live on, and workers that did not end well when they were told to."""
    found = [f"process {pid} lives on" for pid in sorted(pids)]
    return found + [f"a worker ended with {code}" for code in codes if code != 0]


def answer_faults(models: Collection[str], versions: Collection[str], name: str) -> list[str]:
    """A training: all answers that were given name one version, and there is no other."""
    if len(set(models)) != 1 or set(versions) != set(models):
        return [f"the training of {name} was answered {sorted(models)}; there is {versions}"]
    return []


def _path(row: bytes) -> bytes:
    return row.partition(b",")[0]
