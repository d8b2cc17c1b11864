"""The confirmation of commands that delete something."""

from __future__ import annotations

import sys

import click

from shared.errors import UsageError

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def confirm(question: str, yes: bool) -> None:
    """Return if the user agrees or has agreed with --yes; otherwise end with exit code 1.

    Raises:
        UsageError: there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask at; confirm it with --yes")
    click.confirm(question, abort=True, err=True)
