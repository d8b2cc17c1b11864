"""The window: the number of batches of a job that may be under way, for back-pressure and
fairness between jobs."""

from __future__ import annotations

import math

import msgspec
import redis

from shared import keys
from shared.ledger import heartbeats
from shared.ledger.jobs import SILENT_S, memory_limit, memory_share
from shared.messages.batch import MAX_FILE_BYTES
from shared.runtimes import RuntimeKind

BATCHES_PER_CHILD = 2
#: The smallest batch, as a share of the usual size: each batch costs a message.
BATCH_SHARE_MIN = 1 / 8
#: The window before any worker is seen: enough for two children.
BATCHES_UNSEEN = 4
#: Above this share of its memory nothing more is published; workers need the rest for results.
MEMORY_SHARE_MAX = 0.7
#: A server's allocator rounds a large block up by at most a quarter (jemalloc, mimalloc).
STORED_SHARE = 1.25
#: The server holds a file twice while storing it, and needs room for its other data.
FILE_SHARE_MAX = 0.25


class Window(msgspec.Struct, frozen=True):
    """The limits of the producer at one moment."""

    batches: int = BATCHES_UNSEEN
    batch_share: float = 1.0  #: of the usual number of images in a new batch
    workers: tuple[str, ...] = ()  #: the ids of those that are alive
    older: tuple[str, ...] = ()  #: if none is: the names of those of 0.2.0
    others: int = 0  #: live workers that lack the job's runtime
    children: int = 0  #: of these workers
    jobs: int = 1  #: that share the children
    memory_share: float = 0.0
    spare_bytes: float = math.inf  #: bytes that may be published until the next poll

    @property
    def full(self) -> bool:
        """Whether Redis is too full to publish."""
        return self.memory_share >= MEMORY_SHARE_MAX


def measure(client: redis.Redis, runtime: RuntimeKind) -> Window:
    """Read the workers that have a runtime, and the memory, from Redis.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
    """
    alive = [b for b in heartbeats.alive(client) if b.queue == keys.CLASSIFY_QUEUE]
    beats = [b for b in alive if runtime.is_everywhere or runtime.name in b.runtimes]
    older = [] if alive else heartbeats.alive_of_0_2_0(client)
    children = sum(len(b.children) for b in beats)
    jobs = client.zcount(keys.JOBS, heartbeats.server_ms(client) / 1000 - SILENT_S, "+inf")
    batches, batch_share = share(children, jobs)
    memory = client.info("memory")
    spare_bytes = MEMORY_SHARE_MAX * memory_limit(memory) - memory["used_memory"]
    return Window(
        batches, batch_share, tuple(b.id for b in beats),
        tuple(b.name for b in older), len(alive) - len(beats), children, jobs, memory_share(memory),
        spare_bytes,
    )  # fmt: skip


def share(children: int, jobs: int) -> tuple[int, float]:
    """The number of batches that a job may have under way, and their share of the usual size.

    A hint waits for all hints before it. So all jobs together have as many images in the queue as
    a single job would have, down to the smallest batches.
    """
    if not children:
        return BATCHES_UNSEEN, 1.0
    room = BATCHES_PER_CHILD * children
    batches = math.ceil(room / max(1, jobs))
    return batches, max(BATCH_SHARE_MIN, min(1.0, room / (batches * max(1, jobs))))


def file_limit(client: redis.Redis) -> int:
    """The largest file in bytes that this server can store. Raises RedisError."""
    maxmemory = client.info("memory").get("maxmemory", 0)
    return min(MAX_FILE_BYTES, int(FILE_SHARE_MAX * maxmemory) or MAX_FILE_BYTES)
