"""With `--json` an error is one JSON object, the last line on standard error."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from producer.cli.options import JSON
from producer.present.formatting import json_text, one_line


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
