"""With --json every command reports an error as one object; tests/end_to_end/test_quiet.py has the
answers."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from shared.errors import Exit
from tests.support.terminal.json_answers import check, error
from tests.unit.commands.test_help import ALL

COMMANDS = [words for words, command in ALL.items() if not isinstance(command, click.Group)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and an unreachable broker."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("HANGTAG_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, arguments)


def error_of(*arguments: str) -> dict[str, object]:
    result = run(*arguments)
    assert result.stderr.count("\n") == 1, result.stderr
    return error(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_line_that_cannot_be_parsed_is_one_object(words: str) -> None:
    found = error_of(*words.split(), "--json", "--no-such-option")
    assert found["code"] == Exit.USAGE
    assert "--no-such-option" in str(found["sentence"])
    assert found["remedy"] == f"see: hangtag {words} --help"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_that_cannot_work_has_an_answer_or_one_object(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it names does not exist, and the broker cannot be used."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", "ftp://nowhere")
    required = [param for param in ALL[words].params if param.required]
    given = [
        word
        for param in required
        for word in ([] if isinstance(param, click.Argument) else [param.opts[0]]) + ["absent"]
    ]
    more = ["--count", "1"] if words == "demo" else []
    result = run(*words.split(), "--json", *more, *given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    of_children = capfd.readouterr().err  # the demo runs commands
    check(result.exit_code, result.stdout, result.stderr + of_children)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence", "remedy"),
    [
        ("table absent.csv --json", 2, "there is no job absent.csv", "see: hangtag status"),
        ("forget absent --json --yes", 2, "there is no job absent", "see: hangtag status"),
        ("models list shoes --json", 1, "", ""),
        ("--json", 2, "No such option '--json'", "see: hangtag --help"),
        ("models --json", 2, "No such option '--json'", "see: hangtag models --help"),
        ("nosuch --json", 2, "No such command 'nosuch'", "see: hangtag --help"),
        ("classify photos --json --glob", 2, "", "see: hangtag --help"),
        (
            "classify photos.zip --json",
            2,
            "photos.zip: No such file or directory",
            "check the path",
        ),
    ],
)
def test_the_sentence_says_what_is_wrong_and_the_remedy_what_to_do(
    arguments: str, code: int, sentence: str, remedy: str
) -> None:
    found = error_of(*arguments.split())
    assert found["code"] == code
    assert str(found["sentence"]).startswith(sentence)
    assert remedy in str(found["remedy"])
