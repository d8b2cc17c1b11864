"""The documents match the program."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from benchmarks import memory
from producer.cli.main import hangtag
from producer.rows.columns import COLUMNS
from shared.broker.address import address
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


@pytest.mark.parametrize("name", sorted(hangtag.commands))
def test_every_command_is_in_the_list_of_commands_and_has_help(name: str) -> None:
    command = hangtag.commands[name]
    assert f"hangtag {name}" in COMMANDS
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in ("help", "as_json", "runtime"):
            assert option.help, f"{name} {option.opts[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_in_a_page_is_one_of_its_command(page: Path) -> None:
    for name, words in TYPED.findall(page.read_text(encoding="utf-8")):
        if name in hangtag.commands:
            known = options_of(hangtag.commands[name], words.split())
            typed = {word.split("=")[0] for word in words.split() if word[0] == "-" != word}
            assert typed <= known, f"hangtag {name}{words}"


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_a_page_names_is_a_setting(page: Path) -> None:
    named = set(re.findall(r"\bHANGTAG_[A-Z_]+[A-Z]\b", page.read_text(encoding="utf-8")))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    settings = {PREFIX + field.upper() for field in Settings.__struct_fields__}
    assert named <= settings | set(re.findall(r"HANGTAG_[A-Z_]+[A-Z]", example))


def test_every_exit_code_is_in_the_list_of_commands() -> None:
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


def test_the_changelog_contains_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project['version']}]" in changelog


def test_the_citation_names_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]


def test_the_workflow_and_the_hooks_run_what_the_checks_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["checks"]["steps"]
    assert [step["run"] for step in steps if "git config" not in step.get("run", "git config")] == [
        ".ci/run", "make nightly",
    ]  # fmt: skip
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["entry"].removeprefix("env ") in makefile


def test_every_dependency_is_pinned_by_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    )
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    for requirement in [*project["dependencies"], *extras]:
        name = re.split(r"[\[<>=;]", requirement)[0].strip().lower().replace("_", "-")
        assert name == "hangtag" or name in pinned


def test_every_module_in_the_makefile_has_a_main() -> None:
    """`python -m` of a module without one does nothing and succeeds."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    modules = set(re.findall(r"python -m ([a-z_.]+)", makefile)) - {"pytest", "pip", "venv"}
    assert len(modules) > 5
    for module in modules:
        place = ROOT / module.replace(".", "/")
        source = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        assert '__name__ == "__main__"' in source.read_text(encoding="utf-8"), module


def test_every_target_is_listed_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    (targets,) = re.findall(r"^\.PHONY: (.*)", makefile, re.M)
    listed = re.findall(r"^([a-z-]+):.*## ", makefile, re.M)
    assert sorted(listed) == sorted(targets.split())


def test_the_command_for_one_test_selects_a_test() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    commands = re.findall(r"python -m pytest (\S+) -k (\w+)", contributing)
    assert commands
    for module, word in commands:
        source = (ROOT / module).read_text(encoding="utf-8")
        assert re.search(rf"^def test_\w*{word}", source, re.M), word


def test_the_number_of_messages_in_the_memory_figures_matches_the_command() -> None:
    text = (ROOT / "benchmarks/RESULTS.md").read_text(encoding="utf-8")
    match = re.search(
        r"python -m benchmarks\.memory(?: --batch-images (\d+))?\b.*?in ([\d,]+)\s+messages",
        text,
        re.DOTALL,
    )
    assert match is not None
    images, messages = int(match[1] or memory.BATCH_IMAGES), int(match[2].replace(",", ""))
    assert messages == -(-memory.IMAGES // images)


def test_only_encrypted_connections_are_called_encrypted() -> None:
    """A password is accepted for an unencrypted remote address, as the pages state."""
    plain = address(Settings(redis_url="redis://:x@broker"))
    assert plain.tls() == {}
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    assert "`rediss://broker:6379` (TLS)" in page
    assert "nothing of it is encrypted" in page
