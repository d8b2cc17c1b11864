"""The commands that classify: classify, predict, status, cancel, forget."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from producer.cli.options import (
    as_json,
    command,
    confirm,
    declared,
    given_of,
    is_quiet,
    is_silent,
    json_option,
    old_word,
    print_answer,
    quiet_option,
    report_drawn,
    seldom_option,
    yes_option,
)
from producer.cli.params import JOB, MODEL, MODEL_FORM
from producer.cli.running import show_lines, watch_option
from producer.job.job_options import JobOptions
from producer.present.formatting import show_json, typed
from producer.table.table_formats import SUFFIXES
from shared.errors import BrokerAway, Exit, UsageError
from shared.settings import Settings

_DETACH = "--detach"


@command(
    ("hangtag classify photos/", "into photos.csv; again: resumes"),
    ("hangtag classify photos/ -o out.csv --model garments@3", ""),
    ("hangtag classify a/ b/ -o all.csv --glob '*.jpg' --top-k 3", ""),
    ("hangtag classify out.csv", "continue or follow its job, from any folder"),
    ("hangtag classify photos/ --retry-failed", "the failed rows alone"),
    ("hangtag classify photos/ --update", "new and changed files alone"),
    ("hangtag classify photos/ --detach", "in the background"),
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
def classify(detach: bool, **given: Any) -> None:
    """Classify the images of folders into a table.

    Running the same command again resumes an interrupted job, and follows one that runs. DIR may
    be the table of a job, which stands for its folders and options.

    Exit codes: 0 all classified, 3 finished with failed rows or folders that could not be
    listed, 4 error budget exceeded, 130 interrupted and resumable, 5 cancelled, 2 usage, 1 set-up.
    """
    from producer.cli.running import running_job
    from producer.present.events import RowChanged
    from producer.run.classify import classify as classify_images

    options = make_options(given)
    if detach:
        _start(options)
        return
    is_list = options.is_piped and not given["folders"]  # not the one that a table names
    stdin = sys.stdin.buffer if is_list and sys.stdin else None
    with running_job(is_quiet()) as (events, stop):
        if options.watch:
            events.subscribe(_show_change, RowChanged)
        settings = Settings.from_env()
        summary = classify_images(options, settings, stdin=stdin, events=events, stop=stop)
    again = ["--watch"] if options.watch else ["--update"] if options.update else []
    show_summary(summary, again)


def _show_change(change: Any) -> None:
    """Print a change of the table, one a line."""
    if as_json():
        show_json(change)
        return
    answer = change.label or ("" if change.status == "ok" else change.status)
    if change.label and change.confidence is not None:
        answer += f" ({100 * change.confidence:.0f} %)"
    click.echo(f"{change.change:8}{change.path}{': ' if answer else ''}{answer}")


def _start(options: JobOptions) -> None:
    """Start the command that was typed in the background."""
    from producer.cli.running import running_job
    from producer.job_control.background_jobs import start
    from producer.present.formatting import near

    if options.watch:
        raise UsageError("--watch does not end by itself; leave out --detach")
    end = [*sys.argv, "--"].index("--")  # after it the word is a path
    own = {_DETACH, "--json"}
    arguments = [a for i, a in enumerate(sys.argv) if i > 1 and (a not in own or i > end)]
    with running_job(quiet=True) as (events, stop):
        job = start(options, arguments, Settings.from_env(), events, stop)
    print_answer({"job": job, "output": options.output}, [job])
    if not as_json():
        follow = typed(["hangtag", "classify", near(options.output)])
        click.echo(f"follow it with: {follow}", err=True)


submit = old_word("submit", classify, "classify --detach", detach=True)


def make_options(given: dict[str, Any]) -> JobOptions:
    """The options of a job from those of the command line.

    Raises:
        UsageError: not exactly one of folders and a list is given, or as
            `producer.job_control.resolve.resolved`.
        SetupError: as that.
    """
    from producer.job_control.resolve import resolved

    folders, listed, list0 = given["folders"], given["list_file"], given["list0_file"]
    if bool(folders) == bool(listed or list0):
        raise UsageError("give folders of images, or a list of paths with --list")
    if listed and list0:
        raise UsageError("--list and --list0 are two kinds of list; give one")
    options = given_of(JobOptions, given) | {"list_file": listed or list0, "list0": bool(list0)}
    return resolved(JobOptions(folders, output=given["output"], **options), Settings.from_env())


def show_summary(summary: Any, again: Sequence[str] = ()) -> None:
    """Print the summary of a run and exit with its code."""
    from producer.cli.job_summary import show_job_summary

    if as_json():
        show_json(summary.as_json())
    show_job_summary(summary, is_quiet(), again)
    sys.exit(int(summary.exit_code))


@command(
    ("hangtag status", "all jobs and open requests"),
    ("hangtag status --watch", "the same every 2 seconds"),
    ("hangtag status photos.csv --json", "one job, by its table or its id"),
)
@click.argument("job", required=False, default="", type=JOB)
@watch_option
@json_option
def status(job: str, watch: bool) -> None:
    """List all jobs and open requests, or show one job.

    JOB is an id or the path of a table.
    """
    from producer.job_control.request_of_id import requests_refused
    from producer.job_control.status import job_lines

    settings = Settings.from_env()
    with requests_refused(job, settings):
        show_lines(lambda notice: job_lines(job, as_json(), settings, notice), watch)


@command(("hangtag classify photos.csv", ""), hidden=True)
@click.argument("job", type=JOB)
@quiet_option
@json_option
def collect(job: str) -> None:
    """Follow a job to its end, or finish it here: hangtag classify TABLE.

    Of a cancelled job the rows so far are written. JOB is an id or the path of a table. The word
    goes with version 0.4.
    """
    from producer.cli.running import running_job
    from producer.job_control.collect import collect as collect_job
    from producer.job_control.request_of_id import requests_refused

    settings = Settings.from_env()
    with requests_refused(job, settings), running_job(is_quiet()) as (events, stop):
        summary = collect_job(job, settings, events, stop)
    show_summary(summary)


@command(
    ("hangtag cancel photos.csv", "by the job's table"),
    ("hangtag cancel k3fa2b1c", "by its id; also a request"),
)
@click.argument("job", type=JOB)
@json_option
def cancel(job: str) -> None:
    """Stop a job, which classify resumes, or a request.

    The results of a job so far are stored. JOB is an id or the path of a table.
    """
    from producer.job.find_job import NoSuchJob
    from producer.job_control.cancel import cancel as cancel_job
    from producer.job_control.cancel import line
    from producer.job_control.request_of_id import cancel_request

    settings = Settings.from_env()
    try:
        cancelled = cancel_job(job, settings)
    except (NoSuchJob, BrokerAway) as error:
        text = cancel_request(job, settings, error)
        print_answer({"request": job, "state": "cancelled"}, [text])
    else:
        print_answer(cancelled, [line(cancelled)])


@command(
    ("hangtag forget photos.csv", "asks, and leaves photos.csv"),
    ("hangtag forget k3fa --yes", "by the start of its id, without a question"),
)
@click.argument("job", type=JOB)
@yes_option
@json_option
def forget(job: str, yes: bool) -> None:
    """Remove a job and its journal; its table stays.

    The job can no longer be resumed, verified or displayed. JOB is an id or the path of a table.
    """
    from producer.job_control import forget as forgetting
    from producer.present.formatting import one_line

    known = forgetting.find(job)
    name = f"job {known.id}".rstrip()
    output = one_line(str(known.output))
    confirm(f"Forget {name} of {output} ({known.about})? Its results are lost.", yes)
    reached = forgetting.forget(known, Settings.from_env())
    stays = "its files stay, if they exist" if known.missing else _what_stays(known.output)
    answer = {"job": known.id, "output": str(known.output), "keys_deleted": reached}
    print_answer(answer, [f"{name} is forgotten; {stays}"])
    if not reached:
        click.echo("Redis is unreachable; its keys there expire within a day", err=True)


def _what_stays(output: Path) -> str:
    from producer.present.formatting import one_line

    return f"{one_line(str(output))} {'stays' if output.exists() else 'was never written'}"


@command(
    ("hangtag predict shoe.jpg", "the five most likely labels"),
    ("hangtag predict *.jpg --plot predictions.png", "and a plot of them"),
    ("hangtag predict shoe.jpg --truth Sneaker --model garments", ""),
)
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=bytes), metavar="IMAGE..."
)
@click.option(
    "--model",
    type=MODEL,
    default="",
    metavar=MODEL_FORM,
    help="Default: see hangtag models use.",
)
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Number of labels to show per image.",
)
@click.option(
    "--truth",
    multiple=True,
    metavar="LABEL",
    help="The true label: once for all images, or once for each.",
)
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw each image beside its probabilities.",
)
@click.option("--force", is_flag=True, help="Replace an existing --plot file.")
@quiet_option
@json_option
def predict(
    images: tuple[bytes, ...],
    model: str,
    top: int,
    truth: tuple[str, ...],
    plot_file: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Classify a few images and print their labels.

    Exit codes: 0 all classified, 3 some could not be, 2 usage, 1 set-up.
    """
    from producer.cli.running import running_job
    from producer.predict import plot as plots
    from producer.predict import predictions as found
    from producer.predict.predict import in_files
    from producer.predict.predict import predict as predict_images
    from producer.versions.default_model import default_model

    if plot_file is not None:
        plots.check(plot_file, force, images)
    settings = Settings.from_env()
    model = model or default_model(settings)
    with ExitStack() as opened:
        with running_job(is_silent()) as (events, stop):
            files = opened.enter_context(in_files(images, stop))
            made = predict_images(
                files, settings, model=model, truth=truth, events=events, stop=stop
            )
        predictions = found.named(made, files, images)
        if as_json():
            click.echo(found.as_json(predictions, top).encode())
        elif not is_quiet():
            click.echo("\n".join(found.lines(predictions, top)))
            for line in found.summary(predictions):
                click.echo(line, err=True)
        if plot_file is not None:
            plots.draw(plot_file, predictions)
            report_drawn([plot_file])
    sys.exit(Exit.SOME_FAILED if predictions.failed else Exit.OK)
