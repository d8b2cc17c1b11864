"""The option --watch: display something again every few seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

watch_option = click.option(
    "--watch", is_flag=True, help="Display it again every 2 seconds, until Ctrl-C."
)


def show_lines(lines: Callable[[], Sequence[str]], watch: bool) -> None:
    """Print the lines once, or again and again."""
    if watch:
        from producer.terminal.watch import watch as again

        again(lines)
    else:
        for line in lines():
            click.echo(line)
