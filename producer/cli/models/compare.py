"""The command that compares two versions on a folder: models compare."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.names import MODEL, MODEL_FORM
from producer.cli.results.compare import page_options, show_comparison
from shared.settings import Settings


@click.command(
    epilog=examples(
        ("hangtag models compare garments@3 garments@4 --on photos/", "figures"),
        ("hangtag models compare garments@3 garments --on photos/ -o c.html", "and a page"),
    )
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
def compare(
    a: str, b: str, folder: bytes, output: Path | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Compare two versions of models on a folder.

    Each version classifies the folder, unless that is done: its table is in the current folder,
    named after the folder and the version. Then as hangtag compare.
    """  # fmt: skip
    from producer.cli.running import running_job
    from producer.compare.tables import compare_versions
    from producer.inputs.job_options import JobOptions
    from producer.jobs.classify import classify
    from producer.jobs.run import Summary

    settings, no_figures = Settings.from_env(), quiet or as_json

    def report(line: str) -> None:
        if not no_figures:
            click.echo(line, err=True)

    def classified(options: JobOptions) -> Summary:
        with running_job(no_figures) as (events, stop):
            return classify(
                options, settings, if_finished="used as it is", events=events, stop=stop
            )

    compared = compare_versions(
        (a, b), folder, settings, classified, output,
        force=force, quiet=no_figures, report=report,
    )  # fmt: skip
    show_comparison(compared, as_json, quiet)


COMMANDS = (compare,)
