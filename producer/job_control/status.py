"""`hangtag status`: the jobs of this machine and those in Redis, and the open requests."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec
import redis
from redis.exceptions import RedisError

from producer.job.find_job import NoSuchJob, find_output, whole_id
from producer.job.job_index import entries
from producer.job.snapshot import JobState, JobView, check_readable, not_started, read_snapshot
from producer.present.formatting import ago, duration, json_text, near, one_line
from producer.present.style import (
    Column,
    Keep,
    columns_of,
    dim,
    doubtful,
    failed,
    fitted,
    good,
    paragraphs,
)
from producer.table.job_text import answer_lines
from producer.table.promise import promised_view
from producer.trainer.existing import OpenRequest, left_by_0_2_0, open_requests, table
from shared import keys
from shared.broker.address import redacted
from shared.broker.redis_client import answers, connect_briefly
from shared.broker.runtime_paths import broker_url
from shared.errors import MISFITS, BadMessage, BrokerAway
from shared.failpoints import failpoint
from shared.ledger.heartbeats import Count, server_ms
from shared.ledger.jobs import SILENT_S
from shared.messages.batch import decode_job
from shared.settings import Settings
from shared.throughput import left_s

_STATES = {
    JobState.RUNNING: good,
    JobState.PAUSED: doubtful,
    JobState.CANCELLED: doubtful,
    JobState.UNREADABLE: failed,
}
#: Images/s; a larger rate in Redis is invalid.
RATE_MAX = 1e12


def status_table(views: Sequence[JobView], now_s: float | None = None) -> list[str]:
    """The heading and one line for each job; `now_s` is the time in seconds since 1970."""
    now_s = time.time() if now_s is None else now_s
    newest_first = sorted(views, key=lambda view: -view.created)
    return fitted(_COLUMNS, [_row(view, now_s) for view in newest_first])


def _state(text: str) -> str:
    return _STATES[JobState(text)](text) if text in set(_STATES) else text


def _failures(text: str) -> str:
    return text if text == "0" else failed(text)


def _flags(text: str) -> str:
    return text if text == "0" else doubtful(text)


_COLUMNS = (
    Column("job"),
    Column("state", style=_state),
    Column("images", left=False),
    Column("failed", left=False, drop=1, style=_failures),
    Column("flagged", left=False, drop=5, style=_flags),
    Column("images/s", left=False, drop=4),
    Column("left", left=False, drop=2),
    Column("started", drop=3),
    Column("model", least=10, drop=6),
    Column("table", least=12, keep=Keep.END, style=dim),
)


def _row(view: JobView, now_s: float) -> tuple[str, ...]:
    return (
        view.job,
        view.state,
        _images(view),
        f"{view.failed:,}",
        f"{sum(view.flagged.values()):,}",
        "-" if view.rate is None else f"{view.rate:,.0f}",
        "-" if view.left_s is None else duration(view.left_s),
        ago(view.created, now_s),
        one_line(view.model),
        one_line(near(view.output)),
    )


def _images(view: JobView) -> str:
    """`10,000` of a finished job, `4,096 of 10,000` of another."""
    if view.state is JobState.FINISHED:
        return f"{view.done:,}"
    return f"{view.done:,} of {view.total_text}"


def job_lines(
    job: str, as_json: bool, settings: Settings, notice: Callable[[str], object]
) -> list[str]:
    """Jobs as a table followed by the open requests, or one job with its results, or one line of
    JSON. `answers` are not in a list of all: they are as long as the jobs' lists of labels.

    Raises:
        UsageError: there is no such job.
    """
    views = _one(job, settings) if job else _all(settings, notice)
    if as_json:
        listed = views[0] if job else [msgspec.structs.replace(v, answers=None) for v in views]
        return [json_text(listed)]
    if job:
        return paragraphs(status_table(views), _answers(views[0]))
    none = ["no jobs; start one with: hangtag classify DIR"]
    requests = _open_requests(settings, notice)
    if left := left_by_0_2_0(settings):
        notice(left)
    return paragraphs(status_table(views) if views else none, table(requests) if requests else [])


def _answers(view: JobView) -> list[str]:
    if view.answers is None:
        return []
    return answer_lines(view.answers, view.flagged, columns_of(sys.stdout))


def _all(settings: Settings, notice: Callable[[str], object]) -> list[JobView]:
    """Every job, those of this machine first."""
    local = _local()
    known = {view.job for view in local}
    try:
        remote = _remote(settings)
    except BrokerAway as error:
        notice(f"{error}; showing only the jobs of this machine")
        return local
    return _paced(local, remote) + [view for view in remote if view.job not in known]


def running_on_stack(settings: Settings) -> list[JobView]:
    """The jobs that run on this machine's stack, independent of the configured broker."""
    local = {view.job: view for view in _local()}
    in_redis = _remote(msgspec.structs.replace(settings, redis_url=""))
    views = [local.get(view.job, view) for view in in_redis if view.state is JobState.RUNNING]
    return [view for view in views if view.state is JobState.RUNNING]


def _local() -> list[JobView]:
    return [view for entry in entries() if (view := read_snapshot(Path(entry.output))) is not None]


def _paced(local: list[JobView], remote: list[JobView]) -> list[JobView]:
    """Add the rates of running jobs, which their producers report to Redis only."""
    running = {view.job: view for view in remote if view.state is JobState.RUNNING}
    return [
        msgspec.structs.replace(view, rate=running[view.job].rate, left_s=running[view.job].left_s)
        if view.state is JobState.RUNNING and view.job in running
        else view
        for view in local
    ]


def _open_requests(settings: Settings, notice: Callable[[str], object]) -> list[OpenRequest]:
    try:
        return open_requests(settings)
    except BadMessage as error:
        notice(f"{error}; showing no requests")
    except BrokerAway:
        pass  # the notice about jobs says so
    return []


def _one(job: str, settings: Settings) -> list[JobView]:
    try:
        output = find_output(job)
        view = read_snapshot(output)
    except NoSuchJob:
        views = _elsewhere(job, settings)
        if not views:
            raise
        return views
    if view is None:
        raise not_started(output)
    if view.state is JobState.UNREADABLE:
        check_readable(output)
    views = [promised_view(view)]
    if views[0].state is JobState.RUNNING and views[0].rate is None:
        views = _paced(views, _elsewhere(views[0].job, settings))
    return views


def _elsewhere(job: str, settings: Settings) -> list[JobView]:
    """The view in Redis of the job whose id this is or starts; or none. Raises UsageError if
    several ids start like this."""
    views = []
    with suppress(BrokerAway):
        views = _remote(settings)
    whole = whole_id(job, {view.job for view in views})
    return [view for view in views if view.job == whole]


def remote_ids(settings: Settings) -> set[str]:
    """The ids of all jobs in Redis; none if it is unreachable."""
    with suppress(BrokerAway):
        return {view.job for view in _remote(settings)}
    return set()


def _remote(settings: Settings) -> list[JobView]:
    try:
        with connect_briefly(broker_url(settings), "status") as client:
            return _views(client)
    except RedisError as error:
        if not settings.redis_url:
            return []  # the stack is down and has no jobs
        where = redacted(settings.redis_url)
        raise BrokerAway(f"Redis at {where} does not answer ({error})") from error


def _views(client: redis.Redis) -> list[JobView]:
    """The views of all jobs; their records, of constant size, take one round trip."""
    seen = cast(list[tuple[bytes, float]], client.zrange(keys.JOBS, 0, -1, withscores=True))
    silent = server_ms(client) / 1000 - SILENT_S
    jobs = [(job.decode(errors="replace"), at > silent) for job, at in seen]
    with client.pipeline(transaction=False) as pipe:
        for job, _ in jobs:
            pipe.hgetall(keys.job(job, "record"))
        records: list[dict[bytes, bytes] | None] = answers(pipe)
    pairs = [(job, fields) for job, fields in zip(jobs, records, strict=True) if fields is not None]
    expired = [job for (job, _), fields in pairs if b"record" not in fields]
    if expired:
        client.zrem(keys.JOBS, *expired)  # a resumed job adds itself again
        failpoint("status.expired-forgotten")
    views = (_view(job, fields, runs) for (job, runs), fields in pairs)
    return [view for view in views if view is not None]


def _view(job: str, fields: dict[bytes, bytes], running: bool) -> JobView | None:
    if b"record" not in fields:
        return None
    try:
        record = decode_job(fields[b"record"])
        flagged = msgspec.json.decode(fields.get(b"flagged", b"{}"), type=dict[str, Count])
        images, done, failed, total = (
            _count(fields, f) for f in (b"found", b"done", b"failed", b"total")
        )
        rate = float(fields.get(b"rate", b"0"))
    except (BadMessage, ValueError, *MISFITS):
        return None
    if record.id != job:
        return None  # a foreign record; its id must not be displayed
    state = JobState.RUNNING if running else JobState.PAUSED
    if fields.get(b"state") == b"cancelled":
        state = JobState.CANCELLED
    output = f"{record.host}:{record.output}"
    model = f"{record.name}@{record.version}"
    view = JobView(
        job, state, images, done, failed, model, output, flagged=flagged, created=record.created
    )
    if state is not JobState.RUNNING or b"rate" not in fields or not 0 <= rate <= RATE_MAX:
        return view
    known = None if fields.get(b"walking") != b"0" else total or images
    left = left_s(known, done, rate)
    return msgspec.structs.replace(view, rate=rate, left_s=left, file_count=known)


def _count(fields: dict[bytes, bytes], name: bytes) -> int:
    """Raises ValueError for a value that is not a number of images."""
    return msgspec.convert(int(fields.get(name, b"0")), Count)
