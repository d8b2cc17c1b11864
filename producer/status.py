"""`hangtag status`: every job at a glance, those of this machine and those alive in Redis, and
the requests that are not answered yet."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import cast

import click
import msgspec
import redis
from redis.exceptions import RedisError

from producer.background import find_output
from producer.columns import columns
from producer.index import entries
from producer.open_requests import OpenRequest, open_requests, table
from producer.peek import JobView, State, peek
from producer.stack import shown
from producer.window import SILENT_S
from producer.wording import one_line
from shared import keys
from shared.broker import glance
from shared.contract import JOB_ID, decode_job
from shared.crash_point import passed
from shared.errors import MISFITS, BadMessage, BrokerAway, UsageError
from shared.heartbeat import server_ms
from shared.place import broker_url
from shared.settings import Settings

_COLUMNS = ("job", "state", "done", "images", "failed", "flagged", "model", "output")
_LEFT = ("job", "state", "model", "output")


def show(job: str, as_json: bool, settings: Settings) -> None:
    """Print jobs as a table, or as JSON; in a table open requests follow.

    Raises:
        UsageError: the one that was asked for is not known.
    """
    views = _one(job, settings) if job else _all(settings)
    asked = [] if job or as_json else _asked(settings)
    if as_json:
        click.echo(msgspec.json.encode(views[0] if job else views).decode())
        return
    if views:
        click.echo("\n".join(columns(_COLUMNS, [_row(view) for view in views], _LEFT)))
    else:
        click.echo("no jobs; begin one with: hangtag classify DIR -o results.csv")
    if asked:
        click.echo("\n" + "\n".join(table(asked)))


def _all(settings: Settings) -> list[JobView]:
    """Every job, those of this machine first."""
    local = _local()
    known = {view.job for view in local}
    try:
        return local + [view for view in _remote(settings) if view.job not in known]
    except BrokerAway as error:
        click.echo(f"{error}; these are the jobs of this machine", err=True)
        return local


def _local() -> list[JobView]:
    return [view for entry in entries() if (view := peek(Path(entry.output))) is not None]


def _asked(settings: Settings) -> list[OpenRequest]:
    try:
        return open_requests(settings)
    except BrokerAway:
        return []


def _one(job: str, settings: Settings) -> list[JobView]:
    found = [view for view in _local() if view.job == job]
    if not found and JOB_ID.fullmatch(job):
        with suppress(BrokerAway):
            found = [view for view in _remote(settings) if view.job == job]
    if found:
        return found
    view = peek(find_output(job))
    if view is None:
        raise UsageError(f"the job of {job} never began; start it with: hangtag classify")
    return [view]


def _remote(settings: Settings) -> list[JobView]:
    try:
        client = glance(broker_url(settings), "status")
        seen = cast(list[tuple[bytes, float]], client.zrange(keys.JOBS, 0, -1, withscores=True))
        silent = server_ms(client) / 1000 - SILENT_S
        views = (_view(client, job.decode(errors="replace"), at > silent) for job, at in seen)
        return [view for view in views if view is not None]
    except RedisError as error:
        if not settings.redis_url:
            return []  # the stack does not run: nothing of it lives
        where = shown(settings.redis_url)
        raise BrokerAway(f"Redis at {where} does not answer ({error})") from error


def _view(client: redis.Redis, job: str, running: bool) -> JobView | None:
    fields = cast(dict[bytes, bytes], client.hgetall(keys.job(job, "record")))
    if b"record" not in fields:
        client.zrem(keys.JOBS, job)  # expired: the journal, where it is, brings it back
        passed("status.expired-forgotten")
        return None
    try:
        record = decode_job(fields[b"record"])
        flagged = msgspec.json.decode(fields.get(b"flagged", b"{}"), type=dict[str, int])
        found, done, failed = (int(fields.get(f, b"0")) for f in (b"found", b"done", b"failed"))
    except (BadMessage, ValueError, *MISFITS):
        return None
    state = State.RUNNING if running else State.PAUSED
    if fields.get(b"state") == b"cancelled":
        state = State.CANCELLED
    output = f"{record.host}:{record.output}"
    model = f"{record.name}@{record.version}"
    return JobView(job, state, found, done, failed, model, output, flagged=flagged)


def _row(view: JobView) -> list[str]:
    return [_cell(getattr(view, column)) for column in _COLUMNS]


def _cell(value: object) -> str:
    if isinstance(value, dict):
        value = sum(value.values())
    return f"{value:,}" if isinstance(value, int) else one_line(str(value))
