"""The commands about this installation: demo, doctor, completion."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from producer.cli.options import (
    as_json,
    command,
    json_option,
    print_answer,
    seldom_option,
)
from shared.errors import Exit

_SHELLS = ("bash", "zsh", "fish")


@command(
    ("hangtag demo", "into the folder demo, about 40 MB"),
    ("hangtag demo /tmp/demo --count 500", "elsewhere, with fewer images"),
)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo"), metavar="[FOLDER]")
@seldom_option("--count", type=click.IntRange(1), metavar="N", help="Only the first N images.")
@json_option
def demo(folder: Path, count: int | None) -> None:
    """Classify 10,000 test images here, and name what to try.

    They are the test images of Fashion-MNIST, from this machine or downloaded; without them, 1,000
    drawings. FOLDER gets the images, the table and a page about it.
    """
    from producer.demo import demo as run_demo

    sys.exit(run_demo(folder, count, as_json()))


@command(
    ("hangtag doctor", "packages, broker, disk; each problem with its fix"),
    ("hangtag doctor --json", "for a report of a fault; it has no secrets"),
)
@json_option
def doctor() -> None:
    """Check packages, broker, workers, disk and models.

    Nothing is started or changed. Each problem is displayed with what to do.

    Exit codes: 0 no problem, 1 at least one.
    """
    from producer.doctor.doctor import examine, lines
    from producer.present.style import columns_of

    report = examine()
    print_answer(report, lines(report, columns_of(sys.stdout)))
    sys.exit(int(Exit.SETUP if report.problems else Exit.OK))


@command(
    ('eval "$(hangtag completion bash)"', "in ~/.bashrc"),
    ('eval "$(hangtag completion zsh)"', "in ~/.zshrc, after compinit"),
    ("hangtag completion fish > ~/.config/fish/completions/hangtag.fish", ""),
)
@click.argument("shell", type=click.Choice(_SHELLS))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, models, recipes, jobs and requests.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = ctx.find_root()
    assert kind is not None
    script = kind(root.command, {}, "hangtag", "_HANGTAG_COMPLETE").source()
    print_answer({"shell": shell, "script": script}, [script])
