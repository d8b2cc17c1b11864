"""The documents match the program."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click

from producer.cli.main import hangtag
from producer.job.columns import COLUMNS
from shared.errors import Exit
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
TABLE = (ROOT / "docs/table.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
#: A command as a page types it: its name, and words up to the end of the line or a comment. The
#: words after `-n hangtag` belong to kubectl.
TYPED = re.compile(r"(?<!-n )\bhangtag ([a-z]+)((?: (?!-- )[^\s`#|;()&]+)*)")


def test_every_option_in_a_page_is_one_of_its_command() -> None:
    for page in PAGES:
        for name, words in TYPED.findall(page.read_text(encoding="utf-8")):
            if name in hangtag.commands:
                known = options_of(hangtag.commands[name], words.split())
                typed = {word.split("=")[0] for word in words.split() if word[0] == "-" != word}
                assert typed <= known, f"{page.name}: hangtag {name}{words}"


def options_of(command: click.Command, words: list[str]) -> set[str]:
    """Every option of a command, or of the subcommand that the first word names."""
    if isinstance(command, click.Group):
        command = command.commands.get(words[0] if words else "", command)
    return {"--help"} | {option for each in command.params for option in each.opts}


def test_the_index_links_every_page_and_the_readme_links_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index
    assert "](docs/index.md)" in README


def test_every_variable_that_a_page_names_is_a_setting() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    settings = {PREFIX + field.upper() for field in Settings.__struct_fields__}
    known = settings | set(re.findall(r"HANGTAG_[A-Z_]+[A-Z]", example))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"\bHANGTAG_[A-Z_]+[A-Z]\b", text)) <= known, page.name


def test_every_exit_code_is_in_the_page_on_commands() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS, re.MULTILINE)}
    assert codes == {int(code) for code in Exit}


def test_every_status_and_column_is_in_the_page_on_the_table() -> None:
    for status in Status:
        assert f"| `{status}` |" in TABLE
    for column in COLUMNS:
        assert f"| `{column}` |" in TABLE


def test_the_limit_of_a_file_is_the_documented_one() -> None:
    assert MAX_FILE_BYTES == 64 << 20
    assert "64 MiB" in TABLE


def test_every_dependency_is_pinned_by_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    )
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    for requirement in [*project["dependencies"], *extras]:
        name = re.split(r"[\[<>=;]", requirement)[0].strip().lower().replace("_", "-")
        assert name == "hangtag" or name in pinned
