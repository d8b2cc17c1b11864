"""The commands about this machine and its processes: up, down, worker, workers, metrics, demo,
doctor, completion."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from producer.cli.options import (
    as_json,
    command,
    json_option,
    log_json_option,
    logging_json,
    print_answer,
    seldom_option,
)
from producer.cli.params import CHILDREN_MAX, FORM, HELP, PER_CORE, Parsed, parse_workers
from producer.cli.running import show_lines, watch_option
from producer.present.formatting import show_json
from shared.errors import Exit, HangtagError, SetupError, UsageError
from shared.settings import Settings

if TYPE_CHECKING:
    from producer.machine.stack import Stack


CHILDREN = click.IntRange(1, CHILDREN_MAX)
PORT = 9808
_SHELLS = ("bash", "zsh", "fish")


@command(
    ("hangtag up --workers 4", "four worker processes, until hangtag down"),
    ("hangtag up --workers auto:0-8", "as many as the backlog needs"),
)
@click.option("--workers", type=Parsed(FORM, parse_workers), metavar=FORM, help=HELP)
@json_option
def up(workers: tuple[int | None, int | None] | None) -> None:
    """Start this machine's stack, or change its workers.

    It runs in the background until hangtag down. Scaling does not interrupt batches in progress.
    """
    from producer.machine import stack

    settings = Settings.from_env()
    if notice := stack.up(settings, *(workers or (None, None))):
        click.echo(notice, err=True)
    shown = stack.describe(settings)
    up = f"this machine's stack is up; workers: {_worker_count(shown)}, supervisor: {shown.pid}"
    print_answer(shown, [up, f"log: {shown.log}", "stop it with: hangtag down"])


def _worker_count(shown: Stack) -> str:
    if shown.floor < shown.ceiling:
        return f"{shown.floor} to {shown.ceiling} by backlog, {shown.now} running"
    if shown.now < shown.ceiling:
        return f"{shown.ceiling} ({shown.now} running, {shown.ceiling - shown.now} starting)"
    if shown.now > shown.ceiling:
        return f"{shown.ceiling} ({shown.now} running, {shown.now - shown.ceiling} stopping)"
    return str(shown.ceiling)


@command(
    ("hangtag down", "refused while jobs run"),
    ("hangtag down --force", "stops them; the same commands resume them"),
)
@click.option("--force", is_flag=True, help="Stop it even if jobs run on it. They can be resumed.")
@json_option
def down(force: bool) -> None:
    """Stop this machine's stack, unless jobs run on it."""
    from producer.machine import stack

    settings = Settings.from_env()
    if not force:
        _check_unused(settings)
    ended = stack.down(settings)
    lines = ["this machine's stack is down" if ended else "there was no stack on this machine"]
    print_answer({"stopped": ended}, lines + _unfinished(settings))


def _unfinished(settings: Settings) -> list[str]:
    """What becomes of the requests that wait in the store."""
    from producer.present.formatting import counted
    from shared.broker.runtime_paths import is_in_charge
    from shared.ledger.request_store import open_requests

    with suppress(OSError, HangtagError):  # of the store, without which a stack can end
        listed = open_requests(settings.store_path)
        waiting = [one for one in listed if is_in_charge(settings, one.stack)]
        if waiting:
            goes = "it goes" if len(waiting) == 1 else "they go"
            return [
                f"not finished: {counted(len(waiting), 'request')} to the trainer; {goes} on with "
                f"the next start of the stack, or end with: hangtag cancel {waiting[0].id}"
            ]
    return []


def _check_unused(settings: Settings) -> None:
    """Raises SetupError if jobs run on this machine's stack."""
    from shared.broker.runtime_paths import socket_path

    if not socket_path(settings).exists():
        return
    from producer.job_control.status import (
        running_on_stack,  # with Redis' client, which takes 0.1 s
    )
    from producer.present.formatting import one_line

    jobs = running_on_stack(settings)
    if jobs:
        named = ", ".join(f"{job.job} ({one_line(job.output)})" for job in jobs)
        raise SetupError(
            f"this machine's stack is in use by {named}; wait for its end, stop a job with: "
            "hangtag cancel JOB, or stop the stack anyway with: hangtag down --force"
        )


@command(
    ("HANGTAG_REDIS_URL=rediss://r1 HANGTAG_REDIS_PASSWORD_FILE=pw hangtag worker", ""),
    ("hangtag worker --concurrency 4", "four worker processes"),
    ("hangtag worker --queue train", "on the machine with the model store"),
)
@click.option(
    "--queue",
    type=click.Choice(("classify", "train")),
    default="classify",
    show_default=True,
    help="The queue to serve; use train on the machine with the model store.",
)
@click.option(
    "--concurrency",
    type=CHILDREN,
    help=f"Worker processes. Default: {PER_CORE}.",
)
@click.option(
    "--root",
    type=click.Path(),
    default=None,
    help="The folder below which it opens files for jobs with --transport path. Default: none.",
)
@log_json_option
@json_option
def worker(
    queue: str, concurrency: int | None, root: str | None, log_json: bool
) -> None:  # fmt: skip
    """Run a worker for a shared Redis in the foreground.

    HANGTAG_REDIS_URL is the address of that Redis.
    """
    from producer.machine import commands

    if queue == "train":
        if concurrency is not None or root is not None:
            option = "--root" if concurrency is None else "--concurrency"
            raise UsageError(f"a trainer runs one training at a time; leave out {option}")
        settings = logging_json(Settings.from_env(), log_json)
        commands.run_trainer(settings, partial(_starts, queue))
    settings = logging_json(Settings.from_env(), log_json)
    if root is not None:
        settings = msgspec.structs.replace(settings, root=root)
    children = concurrency or _children(settings)
    commands.run(settings, children, partial(_starts, queue))


@command(
    ("hangtag workers", ""),
    ("hangtag workers --watch", "again every 2 seconds"),
    ("hangtag workers --json", "with all figures, for a program"),
)
@watch_option
@json_option
def workers(watch: bool) -> None:
    """List live workers, their models and throughput."""
    from producer.machine import workers as live_workers

    settings = Settings.from_env()
    show_lines(lambda notice: live_workers.worker_lines(settings, as_json(), notice), watch)


def _starts(queue: str, children: int) -> None:
    """The answer of a process that becomes a worker. Without JSON the worker logs it."""
    if as_json():
        show_json({"queue": queue, "processes": children, "pid": os.getpid()})


def _children(settings: Settings) -> int:
    """The default number of worker processes; prints a notice if memory limits it."""
    from producer.machine import machine_resources

    if notice := machine_resources.memory_notice(settings.child_memory_mb, "--concurrency"):
        click.echo(notice, err=True)
    return machine_resources.children(settings.child_memory_mb << 20)


@command(("hangtag metrics --port 9808", "http://127.0.0.1:9808/metrics"))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
    help="0 chooses a free port; the address is printed.",
)  # fmt: skip
@log_json_option
@json_option
def metrics(host: str, port: int, log_json: bool) -> None:
    """Serve Prometheus metrics in the foreground.

    They are at /metrics. Ctrl-C ends it.
    """
    from producer.machine.commands import check_can_measure

    check_can_measure()
    from producer.monitor.http_endpoint import serve

    def ready(url: str) -> None:
        print_answer({"metrics": url}, [f"metrics: {url}"])

    serve(logging_json(Settings.from_env(), log_json), host, port, ready)


@command(
    ("hangtag demo", "into the folder demo, about 40 MB"),
    ("hangtag demo /tmp/demo --count 500", "elsewhere, with fewer images"),
)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo"), metavar="[FOLDER]")
@seldom_option("--count", type=click.IntRange(1), metavar="N", help="Only the first N images.")
@json_option
def demo(folder: Path, count: int | None) -> None:
    """Classify 10,000 test images here, and name what to try.

    They are the test images of Fashion-MNIST, from this machine or downloaded; without them, 1,000
    drawings. FOLDER gets the images, the table and a page about it.
    """
    from producer.demo import demo as run_demo

    sys.exit(run_demo(folder, count, as_json()))


@command(
    ("hangtag doctor", "packages, broker, disk; each problem with its fix"),
    ("hangtag doctor --json", "for a report of a fault; it has no secrets"),
)
@json_option
def doctor() -> None:
    """Check packages, broker, workers, disk and models.

    Nothing is started. Each problem is displayed with what to do.

    Exit codes: 0 no problem, 1 at least one.
    """
    from producer.monitor.doctor import examine, lines
    from producer.present.style import columns_of

    report = examine()
    print_answer(report, lines(report, columns_of(sys.stdout)))
    sys.exit(int(Exit.SETUP if report.problems else Exit.OK))


@command(
    ('eval "$(hangtag completion bash)"', "in ~/.bashrc"),
    ('eval "$(hangtag completion zsh)"', "in ~/.zshrc, after compinit"),
    ("hangtag completion fish > ~/.config/fish/completions/hangtag.fish", ""),
)
@click.argument("shell", type=click.Choice(_SHELLS))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, models, recipes, jobs and requests.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = ctx.find_root()
    assert kind is not None
    script = kind(root.command, {}, "hangtag", "_HANGTAG_COMPLETE").source()
    print_answer({"shell": shell, "script": script}, [script])
