"""Commands for this machine's stack: up, down."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from producer.cli.command_examples import examples
from producer.cli.options import json_option, print_answer
from producer.cli.params import FORM, HELP, Wanted, WorkersParam
from producer.present.formatting import show_json
from shared.errors import HangtagError, SetupError
from shared.settings import Settings

if TYPE_CHECKING:
    from producer.stack.stack import Stack


@click.command(
    epilog=examples(
        ("hangtag up --workers 4", "four worker processes, until hangtag down"),
        ("hangtag up --workers auto:0-8", "as many as the backlog needs"),
    )
)
@click.option("--workers", type=WorkersParam(), default=Wanted(), metavar=FORM, help=HELP)
@json_option
def up(workers: Wanted, as_json: bool) -> None:
    """Start this machine's stack, or change its workers.

    It runs in the background until hangtag down. Scaling does not interrupt batches in progress.
    """
    from producer.stack import stack

    settings = Settings.from_env()
    stack.up(settings, workers.most, workers.floor)
    shown = stack.describe(settings)
    if notice := stack.memory_notice(settings):
        click.echo(notice, err=True)
    if as_json:
        show_json(shown)
        return
    click.echo(
        f"this machine's stack is up; workers: {_worker_count(shown)}, supervisor: {shown.pid}"
    )
    click.echo(f"log: {shown.log}")
    click.echo("stop it with: hangtag down")


def _worker_count(shown: Stack) -> str:
    if shown.floor < shown.ceiling:
        return f"{shown.floor} to {shown.ceiling} by backlog, {shown.now} running"
    if shown.now < shown.ceiling:
        return f"{shown.ceiling} ({shown.now} running, {shown.ceiling - shown.now} starting)"
    if shown.now > shown.ceiling:
        return f"{shown.ceiling} ({shown.now} running, {shown.now - shown.ceiling} stopping)"
    return str(shown.ceiling)


@click.command(
    epilog=examples(
        ("hangtag down", "refused while jobs run"),
        ("hangtag down --force", "stops them; the same commands resume them"),
    )
)
@click.option("--force", is_flag=True, help="Stop it even if jobs run on it. They can be resumed.")
@json_option
def down(force: bool, as_json: bool) -> None:
    """Stop this machine's stack, unless jobs run on it."""
    from producer.stack import stack

    settings = Settings.from_env()
    if not force:
        _check_unused(settings)
    ended = stack.down(settings)
    lines = ["this machine's stack is down" if ended else "there was no stack on this machine"]
    print_answer({"stopped": ended}, lines + _unfinished(settings), as_json)


COMMANDS = (up, down)


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
    from producer.jobs.status import running_on_stack  # with Redis' client, which takes 0.1 s
    from producer.present.formatting import one_line

    jobs = running_on_stack(settings)
    if jobs:
        named = ", ".join(f"{job.job} ({one_line(job.output)})" for job in jobs)
        raise SetupError(
            f"this machine's stack is in use by {named}; wait for its end, stop a job with: "
            "hangtag cancel JOB, or stop the stack anyway with: hangtag down --force"
        )
