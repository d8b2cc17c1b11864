"""What the help of a command lists of its options."""

from __future__ import annotations

from functools import partial
from typing import Any

import click


class SeldomOption(click.Option):
    """An option that few people type."""


seldom_option = partial(click.option, cls=SeldomOption)


class Command(click.Command):
    """Lists its seldom options below the others, and no option that `same_as` lists."""

    def __init__(self, *given: Any, same_as: click.Command | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self._elsewhere = {param.name for param in same_as.params} if same_as else set()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        listed = [option for option in options if option.name not in self._elsewhere]
        seldom = [option for option in listed if isinstance(option, SeldomOption)]
        often = [option for option in listed if not isinstance(option, SeldomOption)]
        for heading, below in (("Options", often), ("Seldom needed", seldom)):
            records = [option.get_help_record(ctx) for option in below]
            if rows := [record for record in records if record]:
                with formatter.section(heading):
                    formatter.write_dl(rows)
