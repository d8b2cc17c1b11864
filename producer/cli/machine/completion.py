"""The command that prints a shell's completion script: completion."""

from __future__ import annotations

import click

from producer.cli.command_examples import examples
from producer.cli.options import json_option
from producer.present.formatting import show_json

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        ('eval "$(hangtag completion bash)"', "in ~/.bashrc"),
        ('eval "$(hangtag completion zsh)"', "in ~/.zshrc, after compinit"),
        ("hangtag completion fish > ~/.config/fish/completions/hangtag.fish", ""),
    )
)
@click.argument("shell", type=click.Choice(_SHELLS))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str, as_json: bool) -> None:
    """Print the completion script of a shell.

    It completes commands, options, models, recipes, jobs and requests.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = ctx.find_root()
    assert kind is not None
    script = kind(root.command, {}, "hangtag", "_HANGTAG_COMPLETE").source()
    if as_json:
        show_json({"shell": shell, "script": script})
    else:
        click.echo(script)


COMMANDS = (completion,)
