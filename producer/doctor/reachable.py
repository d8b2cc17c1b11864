"""Findings on the broker and on who is alive there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import cast

from redis.exceptions import RedisError

from producer.dispatch.window import MEMORY_SHARE_MAX
from producer.doctor.finding import Finding, Level, guarded
from producer.fleet.start_command import trainer_line, worker_line
from producer.output.output_path import nearest
from producer.present.formatting import counted, one_line, size
from producer.stack import desired_state
from shared import keys
from shared.broker.address import redacted
from shared.broker.redis_client import check_policy, connect_briefly
from shared.broker.runtime_paths import (
    broker_url,
    check_stack_dir,
    log_path,
    socket_path,
    stack_dir,
)
from shared.errors import SetupError
from shared.ledger import heartbeats
from shared.ledger.jobs import memory_limit
from shared.settings import Settings

#: A stack that has been up for longer has a worker, if it wants one.
STARTING_S = 20.0
_UPDATE = "install this Hangtag there, and restart the worker"


def reachable(settings: Settings) -> Iterator[Finding]:
    """The broker that commands use, its memory, its workers and trainers.

    Raises:
        SetupError: the configuration is unusable.
    """
    if not settings.redis_url:
        _check_start(settings)
    if not settings.redis_url and not socket_path(settings).exists():
        text = "this machine's stack, which is down; it starts when a command needs it"
        yield Finding("broker", Level.OK, text)
    else:
        yield from _answering(settings)


def _check_start(settings: Settings) -> None:
    """Raise what a command raises that needs this machine's stack; nothing is created."""
    check_stack_dir(settings)
    above = nearest(stack_dir(settings))
    if not os.access(above, os.W_OK | os.X_OK):
        raise SetupError(f"{above} is not writable; set HANGTAG_RUNTIME_DIR to another folder")


def _answering(settings: Settings) -> Iterator[Finding]:
    own = not settings.redis_url
    name = "this machine's stack" if own else redacted(settings.redis_url)
    try:
        with connect_briefly(broker_url(settings), "status") as client:
            info = cast("dict[str, int]", client.info())
            beats, old = heartbeats.alive(client), heartbeats.alive_of_0_2_0(client)
    except RedisError as error:
        fix = "hangtag down" if own else "start it, or unset HANGTAG_REDIS_URL"
        yield Finding("broker", Level.PROBLEM, f"{name} does not answer: {error}", fix)
        return
    yield from guarded("broker", partial(_memory, name, info))
    had_time_to_start = own and info["uptime_in_seconds"] >= STARTING_S
    for topic, queue in (("workers", keys.CLASSIFY_QUEUE), ("trainers", keys.TRAIN_QUEUE)):
        there = [beat for beat in beats if beat.queue == queue]
        yield _alive(settings, topic, there, had_time_to_start)
    if old:
        text = f"of Hangtag 0.2.0, which get no job: {', '.join(one_line(one.name) for one in old)}"
        yield Finding("workers", Level.NOTE, text, _UPDATE)


def _memory(name: str, info: dict[str, int]) -> Iterator[Finding]:
    """Raises SetupError: the server evicts keys."""
    check_policy(info)
    used, limit = info["used_memory"], memory_limit(info)
    text = f"{name}, Redis {one_line(str(info.get('redis_version', 'unknown')))}"
    text += f", {size(used)} of {size(int(limit)) if limit < float('inf') else 'no limit'} used"
    if used > MEMORY_SHARE_MAX * limit:
        yield Finding("broker", Level.PROBLEM, f"{text}: producers pause", "raise its maxmemory")
    else:
        yield Finding("broker", Level.OK, text)


def _alive(
    settings: Settings, topic: str, beats: list[heartbeats.Heartbeat], had_time_to_start: bool
) -> Finding:
    """`had_time_to_start`: this machine's stack has been up for STARTING_S."""
    if beats:
        children = sum(len(beat.children) for beat in beats)
        hosts = ", ".join(sorted({one_line(beat.host) for beat in beats}))
        processes = f"{children:,} process{'' if children == 1 else 'es'}"
        text = f"{counted(len(beats), topic[:-1])}, {processes}: {hosts}"
        return Finding(topic, Level.OK, text)
    if had_time_to_start and topic == "workers" and _wants_worker(settings):
        text = "none is alive, although this machine's stack is up"
        return Finding(topic, Level.PROBLEM, text, f"see {log_path(settings)}")
    if not settings.redis_url:
        return Finding(topic, Level.OK, "none now; this machine's stack starts one if needed")
    if topic == "workers":
        return Finding(topic, Level.PROBLEM, "none is alive", worker_line(settings))
    return Finding(topic, Level.NOTE, "none is alive", trainer_line(settings))


def _wants_worker(settings: Settings) -> bool:
    """Whether this machine's stack has a worker even without a job."""
    return desired_state.load(stack_dir(settings)).bounds(settings).floor > 0
