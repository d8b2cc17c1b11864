"""The command that starts a job, or continues it: classify."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.declared_options import declared, given_of
from producer.cli.option_lists import Command, old_word, seldom_option
from producer.cli.options import json_option, quiet_option
from producer.formats.table_formats import SUFFIXES
from producer.inputs.job_options import JobOptions
from producer.present.formatting import show_json, typed
from shared.errors import UsageError
from shared.settings import Settings

_DETACH = "--detach"


@click.command(
    cls=Command,
    epilog=examples(
        ("hangtag classify photos/", "into photos.csv; again: resumes"),
        ("hangtag classify photos/ -o out.csv --model garments@3", ""),
        ("hangtag classify a/ b/ -o all.csv --glob '*.jpg' --top-k 3", ""),
        ("hangtag classify out.csv", "continue or follow its job, from any folder"),
        ("hangtag classify photos/ --retry-failed", "the failed rows alone"),
        ("hangtag classify photos/ --update", "new and changed files alone"),
        ("hangtag classify photos/ --detach", "in the background"),
    ),
)
# The walk checks readability: an unreadable folder is an error, a file a row.
@click.argument(
    "folders", nargs=-1, metavar="DIR...", type=click.Path(path_type=bytes, readable=False)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default="",
    help=f"The table, in the form that its name ends in: {SUFFIXES}. Default: the folder's name "
    "with .csv, here.",
)
@seldom_option(
    "--list0",
    "list0_file",
    type=click.Path(path_type=bytes),
    default=b"",
    metavar="FILE|-",
    help="As --list, of names that end with NUL, as of find -print0.",
)
@declared(JobOptions)
@click.option(_DETACH, is_flag=True, help="Classify in the background and print the job's id.")
@quiet_option
@json_option
def classify(as_json: bool, quiet: bool, detach: bool, **given: Any) -> None:
    """Classify the images of folders into a table.

    Running the same command again resumes an interrupted job, and follows one that runs. DIR may
    be the table of a job, which stands for its folders and options.

    Exit codes: 0 all classified, 3 finished with failed rows or folders that could not be
    listed, 4 error budget exceeded, 130 interrupted and resumable, 5 cancelled, 2 usage, 1 set-up.
    """
    from producer.cli.running import running_job
    from producer.jobs.perform import perform
    from producer.present.events import RowChanged

    options = make_options(given)
    if detach:
        _start(options, as_json)
        return
    is_list = options.is_piped and not given["folders"]  # not the one that a table names
    stdin = sys.stdin.buffer if is_list and sys.stdin else None
    with running_job(quiet) as (events, stop):
        if options.watch:
            events.subscribe(partial(_show_change, as_json=as_json), RowChanged)
        summary = perform(options, Settings.from_env(), stdin=stdin, events=events, stop=stop)
    again = ["--watch"] if options.watch else ["--update"] if options.update else []
    show_summary(summary, as_json, quiet, again)


def _show_change(change: Any, as_json: bool) -> None:
    """Print a change of the table, one a line."""
    if as_json:
        show_json(change)
        return
    answer = change.label or ("" if change.status == "ok" else change.status)
    if change.label and change.confidence is not None:
        answer += f" ({100 * change.confidence:.0f} %)"
    click.echo(f"{change.change:8}{change.path}{': ' if answer else ''}{answer}")


def _start(options: JobOptions, as_json: bool) -> None:
    """Start the command that was typed in the background."""
    from producer.cli.running import running_job
    from producer.jobs.background_jobs import start
    from producer.present.formatting import near

    if options.watch:
        raise UsageError("--watch does not end by itself; leave out --detach")
    end = [*sys.argv, "--"].index("--")  # after it the word is a path
    own = {_DETACH, "--json"}
    arguments = [a for i, a in enumerate(sys.argv) if i > 1 and (a not in own or i > end)]
    with running_job(quiet=True) as (events, stop):
        job = start(options, arguments, Settings.from_env(), events, stop)
    if as_json:
        show_json({"job": job, "output": options.output})
    else:
        click.echo(job)
        follow = typed(["hangtag", "classify", near(options.output)])
        click.echo(f"follow it with: {follow}", err=True)


submit = old_word("submit", classify, "classify --detach", detach=True)
COMMANDS = (classify, submit)


def make_options(given: dict[str, Any]) -> JobOptions:
    """The options of a job from those of the command line.

    Raises:
        UsageError: not exactly one of folders and a list is given, or as
            `producer.jobs.resolve.resolved`.
        SetupError: as that.
    """
    from producer.jobs.resolve import resolved

    folders, listed, list0 = given["folders"], given["list_file"], given["list0_file"]
    if bool(folders) == bool(listed or list0):
        raise UsageError("give folders of images, or a list of paths with --list")
    if listed and list0:
        raise UsageError("--list and --list0 are two kinds of list; give one")
    options = given_of(JobOptions, given) | {"list_file": listed or list0, "list0": bool(list0)}
    return resolved(JobOptions(folders, output=given["output"], **options), Settings.from_env())


def show_summary(
    summary: Any, as_json: bool, quiet: bool = False, again: Sequence[str] = ()
) -> None:
    """Print the summary of a run and exit with its code."""
    from producer.cli.jobs.job_summary import show_job_summary

    if as_json:
        show_json(summary.as_json())
    show_job_summary(summary, quiet, again)
    sys.exit(int(summary.exit_code))
