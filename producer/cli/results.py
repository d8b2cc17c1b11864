"""The commands on the table of a job: table, report, compare, sort, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from producer.cli.options import (
    as_json,
    command,
    declared,
    given_of,
    is_quiet,
    is_silent,
    json_option,
    print_answer,
    quiet_option,
    seldom_option,
)
from producer.cli.params import JOB
from producer.job.job_options import JobOptions
from producer.present.style import columns_of, failed, fitted_lines, good
from producer.table.table_formats import FORMATS, SUFFIXES
from shared.errors import Exit, UsageError
from shared.settings import Settings

_FOLDER = click.Path(path_type=Path, file_okay=False)


@command(
    ("hangtag table photos.csv --accept 95%", "the less certain: unknown"),
    ("hangtag table photos.csv --columns label,guess", "in this order"),
    ("hangtag table photos.csv -o photos.jsonl", "another form"),
    ("hangtag table h3k9x2ma -o so-far.csv", "the rows so far"),
)
@click.argument("job", type=JOB, metavar="RESULTS.CSV|JOB")
@click.option(
    "-o",
    "--output",
    default="",
    metavar="FILE",
    help=f"Write another file ({SUFFIXES}, or - for standard output), also of a running job.",
)
@click.option(
    "--form",
    type=click.Choice(list(FORMATS)),
    default=None,
    help="The form of -o, if its name does not say it.",
)
@declared(JobOptions, "accept", "min_confidence", "columns", "top_k", "probabilities")
@click.option(
    "--corrections/--no-corrections",
    default=True,
    show_default=True,
    help="Labels that people gave with `hangtag review`.",
)
@click.option(
    "--force", is_flag=True, help="Replace an existing -o FILE, or a table that was changed."
)
@json_option
def table(
    job: str,
    output: str,
    form: str | None,
    corrections: bool,
    force: bool,
    **given: Any,
) -> None:
    """Render a table again: other thresholds or columns.

    The rows come from the job's journal; nothing is classified. Options that are not given stay
    as they are.
    """  # fmt: skip
    from producer.present.formatting import counted, escaped, show_json
    from producer.present.style import columns_of
    from producer.run.render_table import CopyTarget, render_again, render_copy
    from producer.table.display_options import ALL_CORRECTIONS, asked_display
    from producer.table.job_text import accepted_lines

    if form and not output:
        raise click.UsageError("--form is for -o; a job's own table keeps its form")
    asked = JobOptions(**given_of(JobOptions, given))
    display = asked_display(asked, ALL_CORRECTIONS if corrections else 0)
    if output:
        rendered = render_copy(job, display, CopyTarget(output, form or "", force), as_json())
    else:
        rendered = render_again(job, display, force, as_json())
    if as_json() and output != "-":
        show_json(rendered)
    so_far = "" if rendered.finished else " so far"
    rows = f"{counted(rendered.rows, 'row')}{so_far}"
    written = f"{rows}, {rendered.model} -> {escaped(rendered.output)}"
    click.echo(written, err=True)
    for line in accepted_lines(rendered.answers, columns_of(sys.stderr)):
        click.echo(line, err=True)


@command(
    ("hangtag report photos.csv", "writes photos.html"),
    ("hangtag report photos.csv -o page.html", "another name"),
    ("hangtag report h3k9x2ma -o so-far.html", "the rows so far of a running job"),
)
@click.argument("job", type=JOB, metavar="RESULTS.CSV|JOB")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="REPORT.html",
    help="Default: beside the table, results.html for results.csv.",
)
@click.option("--force", is_flag=True, help="Replace a file that is no report.")
@quiet_option
@json_option
def report(job: str, output: Path | None, force: bool) -> None:
    """Write a page on a table: figures, pictures, failures.

    It is one HTML file of at most 10 MB that needs no network: labels and confidences, pictures of
    every label with the doubtful ones first, flagged and failed rows, the model, and where folders
    are named like labels what was confused with what.
    """
    from producer.pages.report import write_report
    from producer.present.formatting import counted, near, one_line, show_json, size

    settings = Settings.from_env()
    written = write_report(settings, job, output, force=force, quiet=is_silent())
    if as_json():
        show_json(written)
    elif not is_quiet():
        figures = f"{counted(written.rows, 'row')}, {counted(written.pictures, 'picture')}"
        click.echo(f"{near(written.report)}: {figures}, {size(written.bytes)}", err=True)
    if written.notice and not as_json():
        click.echo(one_line(written.notice), err=True)
    if written.is_foreign:
        sys.exit(Exit.NOT_PROVEN)


def page_options(command: Any) -> Any:
    """The options of every comparison."""
    for option in reversed(
        (
            click.option("-o", "--output", type=click.Path(path_type=Path), metavar="COMPARE.html",
                         help="Also write a page with the pictures of disagreements."),
            click.option("--force", is_flag=True,
                         help="Replace a file that is no comparison."),
            quiet_option,
            json_option,
        )
    ):  # fmt: skip
        command = option(command)
    return command


@command(
    ("hangtag compare photos.csv photos-2.csv", "two versions, or two runs"),
    ("hangtag compare photos.csv photos-2.csv -o compare.html", "and the pictures"),
)
@click.argument("a", type=JOB, metavar="A")
@click.argument("b", type=JOB, metavar="B")
@page_options
def compare(a: str, b: str, output: Path | None, force: bool) -> None:
    """Compare two tables over the same images.

    A and B are tables or jobs. Their rows are paired by the path of the file: how many agree, which
    labels differ, and where folders are named like labels, or people decided with `hangtag review`,
    which table is right, with an exact test of whether that may be chance. Labels are the model's,
    without the thresholds of the tables.
    """
    from producer.pages.tables import compare_tables

    compared = compare_tables(a, b, output, force=force, quiet=is_silent())
    show_comparison(compared)


def show_comparison(compared: Any) -> None:
    import sys

    from producer.pages.comparison_text import lines, next_lines
    from producer.present.style import columns_of
    from shared.registry.registry import Registry

    registry = Registry(Settings.from_env().store_path)
    shown = lines(compared.comparison, columns_of(sys.stdout))
    if following := next_lines(compared.comparison, bool(compared.page), registry):
        shown += ["", *following]
    print_answer(compared, shown)
    if compared.page and not is_quiet():
        click.echo(f"\n{compared.page}", err=True)
    if compared.notice:
        click.echo(compared.notice, err=True)


@command(
    ("hangtag sort photos.csv --into sorted --move --dry-run", ""),
    ("hangtag sort photos.csv --into sorted --move", "again: continues"),
    ("hangtag sort --undo sorted", ""),
)
@click.argument("table", required=False, type=click.Path(path_type=Path), metavar="[RESULTS.CSV]")
@click.option("--into", type=_FOLDER, metavar="OUT", help="The folder for the folders of labels.")
@click.option("--copy", "way", flag_value="copy", help="Copy the images.")
@click.option("--link", "way", flag_value="link", help="Make hard links, which need no space.")
@click.option("--move", "way", flag_value="move", help="Move the images.")
@click.option("--undo", type=_FOLDER, metavar="OUT", help="Take everything in OUT back.")
@seldom_option("--back-to", type=_FOLDER, metavar="DIR", help="With --undo: below this folder.")
@click.option("--dry-run", is_flag=True, help="Only print what would be done.")
@quiet_option
@json_option
def sort(
    table: Path | None,
    into: Path | None,
    way: str | None,
    undo: Path | None,
    back_to: Path | None,
    dry_run: bool,
) -> None:
    """Put images into a folder for each label, or back.

    Images without an accepted label come into unknown/, flagged and failed ones into flagged/ and
    failed/. No file is written over or lost; the same command continues after any interruption.

    Exit codes: 0 all images, 3 some stay where they are, 2 usage, 1 set-up, 130 interrupted.
    """
    from producer.sort_log.log import Way
    from producer.sorting import sort as sorting
    from producer.table.job_text import next_lines, remark_lines, result_lines

    if undo is not None:
        if table is not None or into is not None or way is not None or dry_run:
            raise UsageError("--undo takes only the folder that was sorted into, and --back-to DIR")
        result = sorting.undo(undo, is_quiet(), back_to)
    elif back_to is not None:
        raise UsageError("--back-to says where --undo OUT puts the images; give both")
    elif table is None or into is None or not (way or dry_run):
        raise UsageError(
            "give a table, --into OUT, and one of --copy, --link and --move; or --undo OUT"
        )
    else:
        place = sorting.rehearse if dry_run else sorting.sort
        result = place(table, into, Way(way or Way.COPY), is_quiet())
    print_answer(result, result_lines(result))
    if not as_json():
        for line in [*remark_lines(result), *([] if is_quiet() else next_lines(result, table))]:
            click.echo(line, err=True)
        if dry_run and way is None and not is_quiet():
            click.echo("this is a dry run of --copy; --link and --move are the others", err=True)
    sys.exit(int(result.exit_code))


@command(
    ("hangtag verify photos.csv", "the rows, and the files by size and time"),
    ("hangtag verify photos.csv --deep", "and the content of every file"),
)
@click.argument("table", type=click.Path(path_type=Path), metavar="RESULTS.CSV")
@click.option("--deep", is_flag=True, help="Also read every file again and compare its content.")
@json_option
def verify(table: Path, deep: bool) -> None:
    """Prove that a table is complete and unchanged.

    It has one row for each file of its folders, in order, as its job wrote them, and the files are
    the same.

    Exit codes: 0 proven, 6 not proven.
    """
    from producer.job.skipped import listed
    from producer.present.formatting import escaped, show_json
    from producer.present.progress import Stages, make_progress
    from producer.table.verify import verdict
    from producer.table.verify import verify as prove

    progress = Stages(make_progress(quiet=as_json()))
    try:
        proof = prove(table, deep, progress)
    finally:
        progress.close()
    if as_json():
        show_json(proof)
    else:
        end = (good if proof.proven else failed)(escaped(verdict(proof)))
        problems = map(escaped, proof.problems)
        for line in fitted_lines([*problems, end], columns_of(sys.stdout)):
            click.echo(line)
        if skipped := listed(proof.skipped):
            click.echo(f"skipped: {skipped}", err=True)
        for gap in proof.unproven:
            click.echo(f"not checked: {escaped(gap)}", err=True)
    sys.exit(int(Exit.OK if proof.proven else Exit.NOT_PROVEN))
