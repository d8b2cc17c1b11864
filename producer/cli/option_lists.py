"""What the help of a command lists of its options."""

from __future__ import annotations

from functools import partial
from typing import Any

import click


class SeldomOption(click.Option):
    """An option that few people type."""


seldom_option = partial(click.option, cls=SeldomOption)


class Command(click.Command):
    """Lists its seldom options below the others."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        seldom = [option for option in options if isinstance(option, SeldomOption)]
        often = [option for option in options if not isinstance(option, SeldomOption)]
        for heading, below in (("Options", often), ("Seldom needed", seldom)):
            records = [option.get_help_record(ctx) for option in below]
            if rows := [record for record in records if record]:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def old_word(name: str, command: click.Command, new: str, **fixed: Any) -> click.Command:
    """A word of 0.2.0 for a command with some parameters fixed; until 0.4. No list has it."""

    def called(**given: Any) -> Any:
        return click.get_current_context().invoke(command, **(given | fixed))

    return Command(
        name,
        params=command.params,
        callback=called,
        help=f"The word of version 0.2.0 for: hangtag {new}.",
        epilog=command.epilog,
        hidden=True,
    )
