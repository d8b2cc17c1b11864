"""The commands that measure and show versions: models evaluate, models compare, models report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from producer.cli.options import (
    as_json,
    command,
    corrections_option,
    force_option,
    is_quiet,
    is_silent,
    json_option,
    max_unreadable_option,
    plots_option,
    print_answer,
    quiet_option,
    report_drawn,
)
from producer.cli.params import MODEL, MODEL_FORM
from producer.cli.results import page_options, show_comparison
from producer.present.style import columns_of
from shared.settings import Settings


@command(
    ("hangtag models evaluate garments", "on the data that it was made from"),
    ("hangtag models evaluate garments@3 --data photos/ --pictures plots/", ""),
)
@click.argument("model", type=MODEL, required=False, default="", metavar=f"[{MODEL_FORM}]")
@click.option(
    "--data",
    default=None,
    metavar="fashion-mnist|DIR",
    help="A folder with one subfolder for each class, named like the model's labels. Default: the "
    "data that the version was trained on.",
)
@max_unreadable_option("5%")
@corrections_option
@plots_option
@force_option
@quiet_option
@json_option
def evaluate(model: str, **given: Any) -> None:
    """Measure a version on labelled images.

    The figures are accuracy, loss, calibration error, and those of every class.
    The request is queued like a training and runs on the trainer's machine.
    """
    from producer.cli.running import running_request
    from producer.trainer import evaluate as evaluate_
    from producer.versions.default_model import default_model

    settings = Settings.from_env()
    model = model or default_model(settings)
    with running_request() as (events, stop):
        measured = evaluate_.evaluate(settings, model, events=events, stop=stop, **given)
    lines = evaluate_.lines(measured.evaluated, columns_of(sys.stdout))
    print_answer(measured.evaluated, lines)
    report_drawn(measured.written)


@command(
    ("hangtag models compare garments@3 garments@4 --on photos/", "figures"),
    ("hangtag models compare garments@3 garments --on photos/ -o c.html", "and a page"),
)
@click.argument("a", type=MODEL, metavar=MODEL_FORM)
@click.argument("b", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "--on",
    "folder",
    type=click.Path(path_type=bytes),
    required=True,
    metavar="DIR",
    help="The images to compare the versions on.",
)
@page_options
def compare(a: str, b: str, folder: bytes, output: Path | None, force: bool) -> None:
    """Compare two versions of models on a folder.

    Each version classifies the folder, unless that is done: its table is in the current folder,
    named after the folder and the version. Then as hangtag compare.
    """  # fmt: skip
    from producer.cli.running import running_job
    from producer.job.job_options import JobOptions
    from producer.pages.tables import compare_versions
    from producer.run.classify import classify
    from producer.run.run import Summary

    settings, no_figures = Settings.from_env(), is_silent()

    def report(line: str) -> None:
        if not no_figures:
            click.echo(line, err=True)

    def classified(options: JobOptions) -> Summary:
        with running_job(no_figures) as (events, stop):
            return classify(options, settings, events=events, stop=stop)

    compared = compare_versions(
        (a, b), folder, settings, classified, output,
        force=force, quiet=no_figures, report=report,
    )  # fmt: skip
    show_comparison(compared)


@command(
    ("hangtag models report garments", "writes garments@3.html"),
    ("hangtag models report garments@2 -o before.html", "another version, another name"),
)
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Default: NAME@VERSION.html in the current folder.",
)
@click.option(
    "--corrections",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="RESULTS.CSV",
    help="Find also the files that were corrected in this table with hangtag review. Repeatable.",
)
@click.option("--force", is_flag=True, help="Replace a file that is no report of a version.")
@quiet_option
@json_option
def report(model: str, output: Path | None, **given: Any) -> None:
    """Write a page on a version: figures, plots, mistakes.

    The mistakes are held-out images that it takes for another label, with their files where the
    data that it was made from are on this machine. Photos outside of its folder, which it learned
    from by corrections, are found with --corrections.
    """
    from producer.pages.model_report import write_model_report
    from producer.present.formatting import show_json, size

    settings = Settings.from_env()
    silent = is_silent()
    written = write_model_report(settings, model, output, quiet=silent, **given)
    if as_json():
        show_json(written)
        return
    if not is_quiet():
        mistakes = mistakes_text(written.mistakes, written.wrong)
        figures = f"{written.model}, {mistakes}, {size(written.bytes)}"
        click.echo(f"{written.report}: {figures}", err=True)
    for notice in written.notices:
        click.echo(notice, err=True)


def mistakes_text(shown: int, wrong: int) -> str:
    """The mistakes on a page, and how many there are."""
    from producer.present.formatting import counted

    return f"{'' if shown == wrong else f'{shown:,} of '}{counted(wrong, 'mistake')}"
