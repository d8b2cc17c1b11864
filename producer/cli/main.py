"""The `hangtag` command: parses options, calls one plain function, maps errors to exit codes."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
import msgspec

from producer.cli.groups import GroupedCommands
from producer.cli.options import JSON, examples
from producer.cli.running import interruptible
from producer.present.formatting import json_text, one_line
from producer.present.style import colour_wanted, columns_of, failed, wrapped
from shared import process
from shared.errors import Exit, HangtagError, RequestCancelled, StillOpen, UsageError

#: How Python writes what the encoding of a stream lacks.
_ERRORS = ("strict", "backslashreplace")
#: For terminals whose encoding lacks the characters of bars and the ellipsis.
_PLAIN = {"█": "#", "░": "-", "━": "#", "─": "-", "…": "~"}
#: Exit codes of errors other than set-up errors.
_CODES = {
    UsageError: Exit.USAGE,
    RequestCancelled: Exit.CANCELLED,
    StillOpen: Exit.INTERRUPTED,
}


class JsonError(msgspec.Struct, frozen=True):
    """What a program reads of an error. The names are stable."""

    code: int  #: the exit code
    sentence: str  #: what is wrong
    remedy: str  #: what to do about it; empty where the sentence says all


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line has --json, also one that cannot be parsed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return JSON in arguments[:end]


def print_error(code: int, text: str) -> None:
    """Print the error. The remedy follows the first semicolon (test_error_sentences.py)."""
    sentence, _, remedy = one_line(text).partition("; ")
    click.echo(json_text(JsonError(int(code), sentence, remedy)).encode(), err=True)


def print_click_error(error: click.ClickException) -> None:
    """Print an error of click; for a wrong command line the remedy is the command's help."""
    text = error.format_message()
    if isinstance(error, click.UsageError) and "; " not in text:
        command = error.ctx.command_path if error.ctx else "hangtag"  # a missing value has none
        text = f"{text.rstrip('.')}; see: {command} --help"
    print_error(error.exit_code, text)


class Commands(GroupedCommands):
    """Turns every HangtagError, and errors of the operating system, into one line and an exit
    code; with --json into one object."""

    _as_json = False

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's, whose own errors are JSON, too, with --json."""
        words = sys.argv[1:] if args is None else list(args)
        self._as_json = wants_json(words)
        own = standalone_mode and self._as_json
        try:
            ended = super().main(
                words, prog_name, complete_var, standalone_mode and not own, **extra
            )
        except (click.ClickException, click.Abort) as error:
            if not own:
                raise
            sys.exit(_print_click_error(error))
        if own:
            sys.exit(ended if isinstance(ended, int) else Exit.OK)
        return ended

    def invoke(self, ctx: click.Context) -> Any:
        ctx.color = colour_wanted(os.environ)
        try:
            with interruptible():
                return super().invoke(ctx)
        except HangtagError as error:
            self._end(ctx, _code(error), str(error))
        except KeyboardInterrupt as stopped:
            remedy = "".join(stopped.args) if self._as_json else ""  # a text has it in a notice
            self._end(ctx, Exit.INTERRUPTED, f"interrupted; {remedy}" if remedy else "interrupted")
        except click.Abort as aborted:
            if isinstance(aborted.__context__, KeyboardInterrupt):  # at a question
                self._end(ctx, Exit.INTERRUPTED, "interrupted")
            raise
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of standard output has ended: click exits
            self._end(ctx, Exit.SETUP, _sentence(error))

    def _end(self, ctx: click.Context, code: Exit, text: str) -> NoReturn:
        if self._as_json:
            print_error(code, text)
        else:
            _print(text)
        ctx.exit(code)


def _print_click_error(error: click.ClickException | click.Abort) -> int:
    """Print the error as JSON; return the exit code."""
    if isinstance(error, click.Abort):
        print_error(Exit.SETUP, "not confirmed; confirm it with --yes")
        return Exit.SETUP
    print_click_error(error)
    return error.exit_code


def _print(text: str) -> None:
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


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """A plain character for one of bars and shortened texts that an encoding lacks; `\\u0444` for
    any other."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1
    plain = _PLAIN.get(error.object[error.start])
    return (plain, error.end) if plain else codecs.backslashreplace_errors(error)


def main() -> None:
    """Run the command line of this process."""
    codecs.register_error("replaced", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in _ERRORS:
            stream.reconfigure(errors="replaced")
    process.search_seldom()
    process.skip_last_search()
    sys.exit(hangtag.main(standalone_mode=True))
