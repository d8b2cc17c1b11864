"""The copies of versions' files in Redis: `blob:SHA256:N` is part N of a file, and most have one.

Keys have the file's hash, so versions share their files, and all writers write the same. A reader
verifies the hash of what it has joined: it finds the whole file or nothing.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import BinaryIO, cast

import redis
from redis.exceptions import OutOfMemoryError

from shared import keys
from shared.errors import SetupError
from shared.failpoints import failpoint
from shared.ledger.jobs import memory_limit

#: A writer and the server hold a part in addition.
PART_BYTES = 64 << 20
#: The share of the server's memory in use after a file is stored: jobs need the rest.
MEMORY_SHARE_MAX = 0.9
#: The share for all copies. Producers pause at 0.7 (producer/run/window.py), so copies alone
#: never stop a job.
COPIES_SHARE_MAX = 0.5
#: A server's allocator rounds a large block up by at most a quarter.
ALLOCATED = 1.25

OpenFile = Callable[[], AbstractContextManager[BinaryIO]]


class NoRoom(SetupError):
    """A file does not fit into Redis' memory."""

    def __init__(self, size: int, where: str) -> None:
        super().__init__(
            f"{max(1, size >> 20)} MiB do not fit into {where}; "
            "raise its maxmemory, or remove versions with hangtag models rm NAME --unused"
        )


def part_keys(sha256: str, size: int) -> list[str]:
    """The keys of a file of `size` bytes."""
    return [keys.blob(sha256, n) for n in range(max(1, -(-size // PART_BYTES)))]


def stored_keys(client: redis.Redis) -> set[str]:
    """The keys of all parts of all files. Raises RedisError."""
    return {key.decode() for key in client.scan_iter(f"{keys.BLOBS}*", count=1_000)}


def sha256_of(key: str) -> str:
    """The hash of the file that the key of a part belongs to."""
    return key.removeprefix(keys.BLOBS).partition(":")[0]


def store(
    client: redis.Redis, sha256: str, size: int, open_file: OpenFile, stored: Collection[str] = ()
) -> None:
    """Store the parts of a file that are not `stored` yet. `open_file` verifies its content.

    Raises:
        NoRoom: Redis' memory is too small.
        SetupError: the file is damaged.
        redis.exceptions.RedisError: the server is unreachable.
    """
    memory = client.info("memory")
    if size > MEMORY_SHARE_MAX * memory_limit(memory) - memory["used_memory"]:
        raise NoRoom(size, "Redis' memory")
    try:
        with open_file() as file:
            number = 0
            while (part := file.read(PART_BYTES)) or not number:
                if (key := keys.blob(sha256, number)) not in stored:
                    client.set(key, part)
                    failpoint("copies.part-put")
                del part  # before the next one is read
                number += 1
    except OutOfMemoryError as error:
        # The server keeps a buffer of the part's size for the connection's next command.
        client.connection_pool.disconnect(inuse_connections=False)
        raise NoRoom(size, "Redis' memory") from error


def load(client: redis.Redis, sha256: str) -> bytes | None:
    """The parts of a file before the first missing one, not verified; None without a part.

    Raises:
        SetupError: a key has the value of another program.
        redis.exceptions.RedisError: the server is unreachable.
    """
    whole = io.BytesIO()  # unlike `join`, it returns its content without a copy
    for number in itertools.count():
        part = value(client, keys.blob(sha256, number))
        if part is None:
            return whole.getvalue() if number else None
        whole.write(part)
        del part  # before the next one is received
    return None


def value(client: redis.Redis, key: str) -> bytes | None:
    """The value of a key of a model; None if there is none. Raises SetupError, RedisError."""
    return cast(bytes | None, client.get(key))
