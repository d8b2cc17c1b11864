"""The window: the number of batches of a job that may be under way, for back-pressure and
fairness between jobs; and how many of them are sent in a turn, and how large, as far as it and the
server's memory allow."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import msgspec
import redis

from producer.run.batcher import BatchLimits
from shared import keys
from shared.ledger import heartbeats
from shared.ledger.jobs import SILENT_S, memory_limit, memory_share
from shared.messages.batch import MAX_FILE_BYTES
from shared.runtimes import RuntimeKind
from shared.throughput import Rate

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
#: The work of a process between two results; and so little that it is not worth a message.
BATCH_S, FEW_S = 1.0, 0.02
#: The first batches, before the speed is known, double from one size to the other: up to this
#: one until there are results, then up to what takes BATCH_S at the speed since the first batch.
FIRST_IMAGES, UNKNOWN_IMAGES_MAX = 128, 512
#: A batch costs about a millisecond for its messages, whatever its size.
FEWEST_IMAGES = 32
#: Results do not come sooner.
_TICK_S = 1e-3
#: The bytes of new batches held in one turn; the last batch may exceed it.
TURN_BYTES = 1 << 24


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


class BatchSize:
    """How many images a batch may have, and how few it should have, by the speed of the workers.

    A batch's results arrive together. Large batches cost less, but one that takes a process longer
    than a second only makes a person wait for progress, and for the end of a cancelled job. Small
    ones keep all processes busy at the end of a job, and each costs the same for its messages.
    """

    def __init__(self, done: int = 0) -> None:
        """`done`: images of earlier runs."""
        self._rate, self._earlier, self._done = Rate(), done, done
        self._formed, self._start_s = 0, 0.0

    def mark(self, done: int) -> None:
        """Note how many images are done after new results. The first ones only start the clock."""
        self._done = done
        self._rate.mark(time.monotonic(), done)

    def images(self, window: Window) -> int:
        """The most images of the next batch."""
        self._formed += 1
        is_known, speed = self._speed(window)
        if is_known:
            return max(FEWEST_IMAGES, int(BATCH_S * speed))
        doubled = FIRST_IMAGES << min(self._formed - 1, 16)
        return min(doubled, max(UNKNOWN_IMAGES_MAX, int(BATCH_S * speed)))

    def small(self, window: Window) -> int:
        """The images of a batch that is not worth its message."""
        return int(FEW_S * self._speed(window)[1])

    def _speed(self, window: Window) -> tuple[bool, float]:
        """Images a second of a process, and whether they were seen; if not, it does these or more,
        since the workers may have started after the first batch was sent."""
        now_s = time.monotonic()
        self._start_s = self._start_s or now_s
        if not window.children:
            return False, 0.0
        seen = self._rate.rate_at(now_s, self._done)
        least = (self._done - self._earlier) / max(_TICK_S, now_s - self._start_s)
        # Other jobs take their share of each process.
        return bool(seen), (seen or least) * max(1, window.jobs) / window.children


class SendLimits:
    """The limits of one job."""

    def __init__(self, runtime: RuntimeKind, done: int = 0) -> None:
        """`done`: images of earlier runs."""
        self._runtime = runtime
        self.window = Window()
        self._size = BatchSize(done)
        self._sent_bytes = 0  #: bytes that were added to the server since the last measurement

    def measure(self, client: redis.Redis) -> None:
        """Renew the window. Raises redis.exceptions.RedisError."""
        self.window, self._sent_bytes = measure(client, self._runtime), 0

    def finished(self, done: int) -> None:
        """Note how many images are done after new results."""
        self._size.mark(done)

    def room(self, under_way: int) -> int:
        """The number of batches that may be added to those under way."""
        full = self.window.full or self._sent_bytes >= self.window.spare_bytes
        return 0 if full else self.window.batches - under_way

    def of_turn(self, under_way: int) -> Iterator[BatchLimits]:
        """The limits of each batch that may follow in this turn; of one if none is under way. Each
        is `sent` before the next."""
        window, most_bytes = self.window, self._sent_bytes + TURN_BYTES
        while self.room(under_way) > 0 and self._sent_bytes < most_bytes:
            images, few = self._size.images(window), self._size.small(window)
            yield BatchLimits(window.batch_share, window.batches, images, few)
            if not under_way:
                return  # the workers, which have none, need not wait for the others
            under_way += 1

    def sent(self, payload_bytes: int) -> None:
        """Count the bytes of a new batch."""
        self._sent_bytes += int(STORED_SHARE * payload_bytes)
