"""Commands for workers: worker, workers."""

from __future__ import annotations

import os
from functools import partial

import click
import msgspec

from producer.cli.command_examples import examples
from producer.cli.options import json_option, log_json_option, logging_json
from producer.cli.params import CHILDREN_MAX, PER_CORE
from producer.cli.watching import show_lines, watch_option
from producer.present.formatting import show_json
from shared.errors import UsageError
from shared.settings import Settings

CHILDREN = click.IntRange(1, CHILDREN_MAX)


@click.command(
    epilog=examples(
        ("HANGTAG_REDIS_URL=rediss://r1 HANGTAG_REDIS_PASSWORD_FILE=pw hangtag worker", ""),
        ("hangtag worker --concurrency 4", "four worker processes"),
        ("hangtag worker --queue train", "on the machine with the model store"),
    )
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
    queue: str, concurrency: int | None, root: str | None, log_json: bool, as_json: bool
) -> None:  # fmt: skip
    """Run a worker for a shared Redis in the foreground.

    HANGTAG_REDIS_URL is the address of that Redis.
    """
    from producer.fleet import commands

    if queue == "train":
        if concurrency is not None or root is not None:
            option = "--root" if concurrency is None else "--concurrency"
            raise UsageError(f"a trainer runs one training at a time; leave out {option}")
        settings = logging_json(Settings.from_env(), log_json)
        commands.run_trainer(settings, partial(_starts, queue, as_json))
    settings = logging_json(Settings.from_env(), log_json)
    if root is not None:
        settings = msgspec.structs.replace(settings, root=root)
    children = concurrency or _children(settings)
    commands.run(settings, children, partial(_starts, queue, as_json))


@click.command(
    epilog=examples(
        ("hangtag workers", ""),
        ("hangtag workers --watch", "again every 2 seconds"),
        ("hangtag workers --json", "with all figures, for a program"),
    )
)
@watch_option
@json_option
def workers(watch: bool, as_json: bool) -> None:
    """List live workers, their models and throughput."""
    from producer.fleet import workers as live_workers

    settings = Settings.from_env()
    show_lines(lambda notice: live_workers.worker_lines(settings, as_json, notice), watch, as_json)


COMMANDS = (worker, workers)


def _starts(queue: str, as_json: bool, children: int) -> None:
    """The answer of a process that becomes a worker. Without JSON the worker logs it."""
    if as_json:
        show_json({"queue": queue, "processes": children, "pid": os.getpid()})


def _children(settings: Settings) -> int:
    """The default number of worker processes; prints a notice if memory limits it."""
    from producer.fleet import machine_resources

    if notice := machine_resources.memory_notice(settings.child_memory_mb, "--concurrency"):
        click.echo(notice, err=True)
    return machine_resources.children(settings.child_memory_mb << 20)
