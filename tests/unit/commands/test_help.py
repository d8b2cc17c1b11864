"""Help: one line for each command in a list, examples that the command accepts, 80 columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from producer.cli.groups import GROUPS, Listed
from producer.cli.main import hangtag

LINE_CHARS = 60
COLUMNS = 80
#: A command in an example, up to its purpose, a redirection, or the end of a substitution.
TYPED = re.compile(r"\bhangtag ((?:(?! {3}| > |\)\").)+)")
ENTRIES = [entry for entries in GROUPS.values() for entry in entries]


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand by its words."""
    for name, command in hangtag.commands.items():
        yield name, command
        if isinstance(command, click.Group):
            for sub, below in command.commands.items():
                if not below.hidden:
                    yield f"{name} {sub}", below


ALL = dict(commands())


def help_of(words: str) -> list[str]:
    done = CliRunner().invoke(hangtag, [*words.split(), "--help"], terminal_width=COLUMNS)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def examples_in(lines: list[str]) -> list[str]:
    return [line for line in lines[lines.index("  Examples:") + 1 :] if line.strip()]


def parse(arguments: list[str], group: click.Group = hangtag) -> None:
    """Parse a command line as `hangtag` does, without running it. Raises click.UsageError."""
    name, *rest = arguments
    command = group.commands[name]
    if isinstance(command, click.Group):
        parse(rest, command)
    else:
        # With the parent: click keeps the first help option of a command, with its names.
        command.make_context(name, rest, parent=hangtag.make_context("hangtag", [name]))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_list_of_commands_says_what_the_help_of_each_says_first(entry: Listed) -> None:
    assert len(entry.line) <= LINE_CHARS
    assert (ALL[entry.name].help or "").splitlines()[0] == entry.line
    assert any(
        shown.split(maxsplit=1)[1:] == [entry.line]
        for shown in help_of("")
        if shown.split()[:1] == [entry.name]
    )


def test_every_command_is_in_one_group() -> None:
    names = [entry.name for entry in ENTRIES]
    assert sorted(names) == sorted(set(names)) == sorted(hangtag.commands)


@pytest.mark.parametrize("words", ["", *ALL])
def test_help_fits_and_its_examples_are_accepted(words: str) -> None:
    lines = help_of(words)
    assert max(map(len, lines)) <= COLUMNS
    shown = examples_in(lines)
    assert shown
    for line in shown:
        for typed in TYPED.findall(line):
            if "COMMAND" not in typed:
                parse(shlex.split(typed))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("submit photos/ --top-k 2", "classify --detach"),
        ("collect photos.csv", "classify TABLE"),
        ("models prune shoes --keep 2", "models rm --unused"),
    ],
)
def test_a_word_of_0_2_0_is_accepted_and_in_no_list(old: str, new: str) -> None:
    parse(old.split())
    *group, word = old.split()[: 1 + old.startswith("models")]
    assert word not in {line.split()[0] for line in help_of(" ".join(group)) if line.strip()}
    assert f"hangtag {new}." in " ".join(help_of(" ".join([*group, word])))


def test_options_that_few_people_type_are_listed_below_the_others() -> None:
    lines = help_of("classify")
    options = [line.split()[0] for line in lines if line.startswith("  -")]
    assert options[-3:] == ["--list0", "--runtime", "--transport"]
    assert lines.index("Options:") < lines.index("Seldom needed:") < lines.index("  Examples:")


def test_json_is_described_alike_by_all_commands() -> None:
    described = {
        option.help
        for command in ALL.values()
        for option in command.params
        if isinstance(option, click.Option) and "--json" in option.opts
    }
    assert len(described) == 1
