"""The `hangtag` command: parses options, calls one plain function, maps errors to exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

import click

from producer.cli.command_examples import examples
from producer.cli.groups import GroupedCommands
from producer.present.style import colour_wanted, columns_of, failed, wrapped
from shared import garbage
from shared.errors import Exit, HangtagError, RequestCancelled, StillOpen, UsageError

#: Exit codes of errors other than set-up errors.
_CODES = {
    UsageError: Exit.USAGE,
    RequestCancelled: Exit.CANCELLED,
    StillOpen: Exit.INTERRUPTED,
}


class Commands(GroupedCommands):
    """Turns every HangtagError, and errors of the operating system, into one line and an exit
    code."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.color = colour_wanted(os.environ)
        try:
            return super().invoke(ctx)
        except HangtagError as error:
            _print(str(error))
            ctx.exit(_code(error))
        except KeyboardInterrupt:
            click.echo("hangtag: interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of standard output has ended: click exits
            _print(_sentence(error))
            ctx.exit(Exit.SETUP)


def _print(text: str) -> None:
    from producer.present.formatting import one_line

    line = wrapped("", f"hangtag: {one_line(text)}", columns_of(sys.stderr))
    click.echo(line.replace("hangtag:", failed("hangtag:"), 1), err=True)


def _sentence(error: OSError) -> str:
    """An error of the operating system that no function has put into words."""
    path = error.filename
    where = f"{os.fsdecode(path)}: " if isinstance(path, str | bytes) else ""
    return f"{where}{error.strerror or error}; fix this and run the same command again"


def _code(error: HangtagError) -> Exit:
    codes = (code for kind, code in _CODES.items() if isinstance(error, kind))
    return next(codes, Exit.SETUP)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        ("hangtag classify photos/", "writes photos.csv; again: resumes it"),
        ("hangtag status", "every job at a glance"),
        ("hangtag COMMAND --help", "options and examples of a command"),
    ),
)
@click.version_option(package_name="hangtag", prog_name="hangtag")
def hangtag() -> None:
    """Classify folders of images into one table."""


def _escape_unknown(stream: object) -> None:
    """Have characters that the stream's encoding lacks written as `\\u0444`, as on standard
    error."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """The console script."""
    _escape_unknown(sys.stdout)
    garbage.search_seldom()
    garbage.skip_last_search()
    sys.exit(hangtag.main(standalone_mode=True))
