"""The `hangtag` command: parses options, calls one plain function, maps errors to exit codes."""

from __future__ import annotations

import sys
from typing import Any

import click

from producer.cli.jobs import classify, predict
from producer.cli.machine import metrics, stack
from producer.cli.models import dataset, train, versions
from producer.cli.results import verify
from shared.errors import Exit, HangtagError, RequestCancelled, StillOpen, UsageError

EPILOG = """\b
Examples:
  hangtag classify photos/ -o results.csv        the same command resumes
  hangtag submit photos/ -o results.csv          the same in the background
  hangtag status                                 list all jobs
  hangtag train --data photos/ --name garments   queue a training and follow it
  hangtag up --workers 4                         start or scale this machine's stack
  HANGTAG_REDIS_URL=rediss://host HANGTAG_REDIS_PASSWORD_FILE=~/.hangtag-password \\
    hangtag worker                               a worker for a shared Redis
"""


#: Exit codes of errors other than set-up errors.
_CODES = {
    UsageError: Exit.USAGE,
    RequestCancelled: Exit.CANCELLED,
    StillOpen: Exit.INTERRUPTED,
}


class Commands(click.Group):
    """Turns every HangtagError into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HangtagError as error:
            from producer.output.formatting import one_line

            click.echo(f"hangtag: {one_line(str(error))}", err=True)
            ctx.exit(_code(error))
        except KeyboardInterrupt:
            click.echo("hangtag: interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)


def _code(error: HangtagError) -> Exit:
    found = (code for kind, code in _CODES.items() if isinstance(error, kind))
    return next(found, Exit.SETUP)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hangtag", prog_name="hangtag")
def hangtag() -> None:
    """Classify folders of images into one CSV table."""


for command in (
    *classify.COMMANDS,
    *verify.COMMANDS,
    *predict.COMMANDS,
    *train.COMMANDS,
    *versions.COMMANDS,
    *dataset.COMMANDS,
    *stack.COMMANDS,
    *metrics.COMMANDS,
):
    hangtag.add_command(command)


def main() -> None:
    """The console script."""
    sys.exit(hangtag.main(standalone_mode=True))
