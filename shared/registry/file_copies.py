"""The copies of versions' files in Redis: one value for a file, several for a large one.

The parts of a large file are written one after the other, and the key that lists them last. So a
reader finds the whole file or nothing, and no process holds more than a part of it in addition.
Until they are listed the parts expire: those of a writer that was killed do not stay for ever, and
the next writer continues after them. Keys have the file's hash, so all writers write the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, BinaryIO, cast

import msgspec
import redis
from redis.exceptions import OutOfMemoryError

from shared import keys
from shared.errors import MISFITS, SetupError
from shared.failpoints import failpoint
from shared.ledger.jobs import memory_limit

#: A larger file is stored in parts: the server receives a value as a whole, and allocates it twice.
WHOLE_BYTES = 16 << 20
PART_BYTES = 4 << 20
#: A larger file has no copy.
PARTS_MAX = 16_384
#: The share of the server's memory in use after a file is stored: jobs need the rest.
MEMORY_SHARE_MAX = 0.9
#: The share for all copies; shared/runtimes.py has those of a runtime's file.
COPIES_SHARE_MAX = 0.5
#: A server's allocator rounds a large block up by at most a quarter.
ALLOCATED = 1.25
#: The parts of an unfinished file expire after this time.
UNFINISHED_S = 3_600
#: The parts may expire, or be deleted by another process, before they are listed.
ATTEMPTS = 3

OpenFile = Callable[[], AbstractContextManager[BinaryIO]]


class NoRoom(SetupError):
    """A file does not fit into Redis' memory."""


class _Parts(msgspec.Struct, frozen=True):
    """The list of a file's parts."""

    count: Annotated[int, msgspec.Meta(ge=1, le=PARTS_MAX)]


def is_stored(client: redis.Redis, sha256: str) -> bool:
    """Whether the whole file is in Redis. Raises RedisError."""
    if client.exists(keys.blob(sha256)):
        return True
    count = _count(client, sha256)
    return count > 0 and _existing(client, sha256, count) == count


def store(
    client: redis.Redis,
    sha256: str,
    size: int,
    open_file: OpenFile,
    others: int = 0,
    share: float = COPIES_SHARE_MAX,
) -> None:
    """Store a file that is not stored yet. `open_file` verifies its content; `others` are the bytes
    of all other copies, which may have `share` of the memory with it.

    Raises:
        NoRoom: Redis' memory is too small.
        SetupError: the file is damaged, or was deleted from Redis again each time.
        redis.exceptions.RedisError: the server is unreachable.
    """
    with room(client, size, others, share):
        if size <= WHOLE_BYTES:
            with open_file() as file:
                client.set(keys.blob(sha256), file.read())
            failpoint("copies.file-put")
            return
        for _ in range(ATTEMPTS):
            with open_file() as file:
                count = _put_parts(client, sha256, file)
            if _list_parts(client, sha256, count):
                return
    raise SetupError(f"a file of {size >> 20} MiB is deleted from Redis while it is written")


@contextmanager
def room(client: redis.Redis, size: int, others: int, share: float) -> Iterator[None]:
    """Check the memory before a file is stored; a refusal of the server is NoRoom, too."""
    memory = client.info("memory")
    limit = memory_limit(memory)
    free = MEMORY_SHARE_MAX * limit - memory["used_memory"]
    if size > min(free, PARTS_MAX * PART_BYTES):
        raise _no_room(size, "Redis' memory")
    if ALLOCATED * (size + others) > share * limit:
        raise _no_room(size, f"the {share:.0%} of Redis' memory that copies of models may take")
    try:
        yield
    except OutOfMemoryError as error:
        # The server keeps a buffer of the file's size for the connection's next command.
        client.connection_pool.disconnect(inuse_connections=False)
        raise _no_room(size, "Redis' memory") from error


def _no_room(size: int, where: str) -> NoRoom:
    return NoRoom(
        f"{max(1, size >> 20)} MiB do not fit into {where}; "
        "raise its maxmemory, or remove versions with hangtag models rm --unused"
    )


def _put_parts(client: redis.Redis, sha256: str, file: BinaryIO) -> int:
    """Write the parts that are missing; returns the number of all."""
    count = 0
    while part := file.read(PART_BYTES):
        key = keys.blob_part(sha256, count)
        # A part that another writer has listed meanwhile must not begin to expire.
        if not client.exists(key):
            client.set(key, part, ex=UNFINISHED_S, nx=True)
            failpoint("copies.part-put")
        del part  # before the next one is read
        count += 1
    return count


def _list_parts(client: redis.Redis, sha256: str, count: int) -> bool:
    """List the parts, which then stay. Returns whether all of them are there."""
    with client.pipeline(transaction=True) as pipe:
        for i in range(count):
            pipe.persist(keys.blob_part(sha256, i))
        pipe.set(keys.blob_parts(sha256), msgspec.json.encode(_Parts(count)))
        pipe.execute()
    failpoint("copies.parts-listed")
    if _existing(client, sha256, count) == count:
        return True
    client.delete(*keys_of(client, sha256))
    return False


def keys_of(client: redis.Redis, sha256: str) -> list[str]:
    """The keys of a file, to be deleted in one step. Raises RedisError."""
    parts = _part_keys(sha256, _count(client, sha256))
    return [keys.blob(sha256), keys.blob_parts(sha256), *parts]


def load(client: redis.Redis, sha256: str) -> bytes | None:
    """The content of a file, which is not verified; None if it is not stored.

    Raises:
        SetupError: a key has the value of another program.
        redis.exceptions.RedisError: the server is unreachable.
    """
    whole = value(client, keys.blob(sha256))
    return _joined(client, sha256) if whole is None else whole


def _joined(client: redis.Redis, sha256: str) -> bytes | None:
    count = _count(client, sha256)
    if count == 0 or _existing(client, sha256, count) < count:
        return None
    # A buffer that grows may be copied. Unlike `join`, it returns its content without a copy.
    whole = io.BytesIO(bytes(count * PART_BYTES))
    for i in range(count):
        part = value(client, keys.blob_part(sha256, i))
        if part is None:
            return None
        whole.write(part)
        del part  # before the next one is received
    whole.truncate()
    return whole.getvalue()


def _count(client: redis.Redis, sha256: str) -> int:
    """The number of parts; 0 if the file is not stored in parts."""
    data = value(client, keys.blob_parts(sha256))
    if data is None:
        return 0
    try:
        return msgspec.json.decode(data, type=_Parts).count
    except MISFITS:
        return 0


def _existing(client: redis.Redis, sha256: str, count: int) -> int:
    return client.exists(*_part_keys(sha256, count))


def _part_keys(sha256: str, count: int) -> list[str]:
    return [keys.blob_part(sha256, i) for i in range(count)]


def value(client: redis.Redis, key: str) -> bytes | None:
    """The value of a key of a model; None if there is none. Raises SetupError, RedisError."""
    return cast(bytes | None, client.get(key))
