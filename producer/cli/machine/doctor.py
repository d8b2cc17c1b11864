"""The command that examines this installation: doctor."""

from __future__ import annotations

import sys

import click

from producer.cli.command_examples import examples
from producer.cli.options import json_option, print_answer
from shared.errors import Exit


@click.command(
    epilog=examples(
        ("hangtag doctor", "packages, broker, disk; each problem with its fix"),
        ("hangtag doctor --json", "for a report of a fault; it has no secrets"),
    )
)
@json_option
def doctor(as_json: bool) -> None:
    """Check packages, broker, workers, disk and models.

    Nothing is started or changed. Each problem is displayed with what to do.

    Exit codes: 0 no problem, 1 at least one.
    """
    from producer.doctor.doctor import examine, lines
    from producer.present.style import columns_of

    report = examine()
    print_answer(report, lines(report, columns_of(sys.stdout)), as_json)
    sys.exit(int(Exit.SETUP if report.problems else Exit.OK))


COMMANDS = (doctor,)
