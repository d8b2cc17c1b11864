"""The live workers, as a table with one line per worker; the errors of commands that read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import redis
from redis.exceptions import RedisError

from producer.machine.commands import worker_line
from producer.present.formatting import ago, one_line
from producer.present.style import Column, fitted
from shared import keys
from shared.broker import address
from shared.broker.redis_client import connect_briefly
from shared.broker.runtime_paths import broker_url, log_path, socket_path
from shared.errors import BrokerAway
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.runtimes import RuntimeKind
from shared.settings import Settings

_COLUMNS = (
    Column("host", least=8),
    Column("pid", left=False, drop=3),
    Column("queue"),
    Column("started", drop=2),
    Column("processes", left=False),
    Column("models", least=10),
    Column("images", left=False, drop=1),
    Column("images/s", left=False),
    Column("failed", least=6, drop=5),
    Column("MB", left=False, drop=4),
)
_NAMED = 3  #: workers in a message
#: Of the connections of commands.
ROLE = "producer"


@contextmanager
def broker_errors(settings: Settings) -> Iterator[None]:
    """Raise BrokerAway, with what to do, if Redis is unreachable."""
    try:
        yield
    except RedisError as error:
        url = address.redacted(settings.redis_url)
        line = f"Redis at {url} does not answer ({error}); start it, or unset HANGTAG_REDIS_URL"
        if not url:
            line = f"this machine's stack does not answer ({error}); remove it with: hangtag down"
        raise BrokerAway(line) from error


def has_trainer(client: redis.Redis) -> bool:
    """Whether a trainer is alive. Raises RedisError."""
    return any(beat.queue == keys.TRAIN_QUEUE for beat in heartbeats.alive(client))


def live_workers(settings: Settings) -> list[Heartbeat]:
    """Every worker of the broker in use, by id; none if this machine's stack does not run.

    Raises:
        BrokerAway: the configured broker is unreachable.
    """
    if not settings.redis_url and not socket_path(settings).exists():
        return []
    try:
        with broker_errors(settings), connect_briefly(broker_url(settings), ROLE) as client:
            return heartbeats.alive(client)
    except BrokerAway:
        if not settings.redis_url:
            return []  # the stack has just ended
        raise


def live_children(settings: Settings) -> int:
    """Number of children of the live workers that classify. Raises BrokerAway."""
    beats = live_workers(settings)
    return sum(len(beat.children) for beat in beats if beat.queue == keys.CLASSIFY_QUEUE)


def how_to_start(settings: Settings) -> str:
    """The message that no worker is alive, with the command that starts one, or with the log of
    this machine's stack if that is up: it starts its worker itself."""
    if not settings.redis_url and socket_path(settings).exists():
        return f"no worker has started yet; see {log_path(settings)}"
    start = worker_line(settings) if settings.redis_url else "hangtag up"
    return f"no worker is alive; start one with: {start}"


def lacks_runtime(settings: Settings, runtime: RuntimeKind) -> str:
    """The message that no live worker has a runtime, with the command that adds it."""
    fault = f"no live worker has {runtime.package}"
    if not settings.redis_url:
        fix = f"add it with: {runtime.command}"
        if runtime.is_available:
            fix = "end this stack, which runs in an environment without it, with: hangtag down"
        return f"{fault}; {fix}; then run the same command again"
    return f"{fault}; add it to one with: pip install {runtime.package}, then restart that worker"


def older_workers(settings: Settings, names: Sequence[str]) -> str:
    """The message that these are of 0.2.0 and see no job, with the remedy; empty without any."""
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = one_line(", ".join(names[:_NAMED])) + more
    subject, it = f"worker {listed} runs", "it"
    if len(names) > 1:
        subject, it = f"workers {listed} run", "them"
    fault = f"{subject} Hangtag 0.2.0 and cannot do this job"
    if not settings.redis_url:
        return f"{fault}; stop the stack, which the same command starts again, with: hangtag down"
    return f"{fault}; update {it}, or start another with: {worker_line(settings)}"


def worker_lines(settings: Settings, as_json: bool, notice: Callable[[str], object]) -> list[str]:
    """The live workers as a table, or as one line of JSON. If there is none, `notice` gets
    `how_to_start`.

    Raises:
        BrokerAway: the configured broker is unreachable.
    """
    beats = live_workers(settings)
    if not beats:
        notice(how_to_start(settings))
    if as_json:
        return [msgspec.json.encode(beats).decode()]
    return table(beats) if beats else []


def table(beats: list[Heartbeat], now_s: float | None = None) -> list[str]:
    """The heading and one line per worker; `now_s` is the time in seconds since 1970."""
    now_s = time.time() if now_s is None else now_s
    return fitted(_COLUMNS, [_row(beat, now_s) for beat in beats])


def _row(beat: Heartbeat, now_s: float) -> tuple[str, ...]:
    return (
        one_line(beat.host),
        str(beat.pid),
        one_line(beat.queue.removeprefix(keys.PREFIX)),
        ago(beat.since_ms / 1000, now_s),
        str(len(beat.children)),
        one_line(",".join(beat.versions)) or "-",
        f"{beat.images:,}",
        f"{beat.rate:,.0f}",
        _failed(beat.failures),
        f"{beat.memory_bytes / 1e6:,.0f}",
    )


def _failed(failures: dict[str, int]) -> str:
    """`missing 2, unreadable 10`."""
    return one_line(", ".join(f"{code} {count:,}" for code, count in failures.items())) or "-"
