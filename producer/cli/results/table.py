"""The command that renders a table again: table."""

from __future__ import annotations

import sys
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.declared_options import declared, given_of
from producer.cli.names import JOB
from producer.cli.options import json_option
from producer.formats.table_formats import FORMATS, SUFFIXES
from producer.inputs.job_options import JobOptions


@click.command(
    epilog=examples(
        ("hangtag table photos.csv --accept 95%", "the less certain: unknown"),
        ("hangtag table photos.csv --columns label,guess", "in this order"),
        ("hangtag table photos.csv -o photos.jsonl", "another form"),
        ("hangtag table h3k9x2ma -o so-far.csv", "the rows so far"),
    )
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
    as_json: bool,
    **given: Any,
) -> None:
    """Render a table again: other thresholds or columns.

    The rows come from the job's journal; nothing is classified. Options that are not given stay
    as they are.
    """  # fmt: skip
    from producer.jobs.render_table import CopyTarget, render_again, render_copy
    from producer.present.formatting import counted, escaped, show_json
    from producer.present.style import columns_of
    from producer.rendering.display_options import ALL_CORRECTIONS, asked_display
    from producer.summary.job_text import accepted_lines

    if form and not output:
        raise click.UsageError("--form is for -o; a job's own table keeps its form")
    asked = JobOptions(**given_of(JobOptions, given))
    display = asked_display(asked, ALL_CORRECTIONS if corrections else 0)
    if output:
        rendered = render_copy(job, display, CopyTarget(output, form or "", force), as_json)
    else:
        rendered = render_again(job, display, force, as_json)
    if as_json and output != "-":
        show_json(rendered)
    so_far = "" if rendered.finished else " so far"
    rows = f"{counted(rendered.rows, 'row')}{so_far}"
    written = f"{rows}, {rendered.model} -> {escaped(rendered.output)}"
    click.echo(written, err=True)
    for line in accepted_lines(rendered.answers, columns_of(sys.stderr)):
        click.echo(line, err=True)


COMMANDS = (table,)
