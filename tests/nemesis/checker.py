"""The checker: what must be true at the end of a round, whatever the faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import redis

from shared import keys
from shared.errors import Exit
from tests.support.servers.leftover_keys import OF_MODELS

#: Exit codes of `classify` that a fault may cause; the last one must be OK.
FAULTY_ENDS = frozenset({Exit.SETUP, Exit.INTERRUPTED, -9})
#: The causes that the error of a command may name if it ends with Exit.SETUP.
CAUSES = (
    "does not answer",  # the server
    "free space, run again",  # the disk, under the journal
    "No space left on device",  # the disk, under the table
    "make room, and give the same command again",  # the server: its memory, or its disk
    # An emptied server, until the next round of the store's owner:
    *("there is no model", "there is no version", "there is no alias"),
)
#: Keys that stay: those of live workers and trainers, and those that do not depend on jobs.
_STAY = (keys.WORKERS, keys.worker(""), keys.STORE, *OF_MODELS)


class Rows(NamedTuple):
    """How a table differs from the expected one. All zero: the bytes are equal."""

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
    """The differences in words; empty if the bytes are equal."""
    if table == expected:
        return []
    return [f"the table is not the oracle's: {compare(expected, table)}"]


def end_faults(code: int, log: str) -> list[str]:
    """Check an exit of the producer before the last: a stable code, and a named cause."""
    if "Traceback" in log:
        return [f"the producer ended with {code} and a traceback: {log[-500:]}"]
    if code not in FAULTY_ENDS:
        return [f"the producer ended with {code}: {log[-500:]}"]
    if code == Exit.SETUP and not any(cause in log for cause in CAUSES):
        return [f"the producer stopped without an injected fault as its cause: {log[-500:]}"]
    return []


def key_faults(left: Mapping[str, int], expiring: bool) -> list[str]:
    """`left`: key -> TTL in seconds, -1 without one.

    `expiring`: the server was unreachable when the job ended, so its keys could not be deleted and
    must have a TTL.
    """
    found = []
    for key, seconds in sorted(left.items()):
        if key.startswith(_STAY) or (key.startswith(f"{keys.PREFIX}request:") and seconds > 0):
            continue
        if expiring and (seconds > 0 or key == keys.JOBS):  # `status` clears that list
            continue
        found.append(f"{key} is left in Redis, TTL {seconds} s")
    return found


def left(client: redis.Redis) -> dict[str, int]:
    """Every key -> its TTL in seconds."""
    found = [key.decode() for key in client.scan_iter()]
    return {key: client.ttl(key) for key in found}


def process_faults(pids: Collection[int], codes: Iterable[int]) -> list[str]:
    """Processes that still run, and workers that did not exit with 0 after SIGTERM."""
    found = [f"process {pid} still runs" for pid in sorted(pids)]
    return found + [f"a worker ended with {code}" for code in codes if code != 0]


def training_faults(models: Collection[str], versions: Collection[str], name: str) -> list[str]:
    """Check a training: all its outputs name one version, and the store has no other."""
    if len(set(models)) != 1 or set(versions) != set(models):
        return [f"the training of {name} reported {sorted(models)}; the store has {versions}"]
    return []


def _path(row: bytes) -> bytes:
    return row.partition(b",")[0]
