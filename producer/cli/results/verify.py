"""The command that checks a table: verify."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.options import json_option
from producer.present.style import columns_of, failed, fitted_lines, good
from shared.errors import Exit


@click.command(
    epilog=examples(
        ("hangtag verify photos.csv", "the rows, and the files by size and time"),
        ("hangtag verify photos.csv --deep", "and the content of every file"),
    )
)
@click.argument("table", type=click.Path(path_type=Path), metavar="RESULTS.CSV")
@click.option("--deep", is_flag=True, help="Also read every file again and compare its content.")
@json_option
def verify(table: Path, deep: bool, as_json: bool) -> None:
    """Prove that a table is complete and unchanged.

    It has one row for each file of its folders, in order, as its job wrote them, and the files are
    the same.

    Exit codes: 0 proven, 6 not proven.
    """
    from producer.inputs.skipped import listed
    from producer.present.formatting import escaped, show_json
    from producer.present.progress import Stages, make_progress
    from producer.verify.verify import verdict
    from producer.verify.verify import verify as prove

    progress = Stages(make_progress(quiet=as_json))
    try:
        proof = prove(table, deep, progress)
    finally:
        progress.close()
    if as_json:
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


COMMANDS = (verify,)
