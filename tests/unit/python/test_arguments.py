"""The errors of `import hangtag` name arguments, where those of commands name options."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hangtag
from hangtag.arguments import ARGUMENTS, in_python, with_python_errors
from producer.cli.main import hangtag as commands
from shared.errors import BadMessage, HangtagError, Stopped, UsageError
from shared.messages import training

ROOT = Path(__file__).parents[3]
FUNCTIONS = (
    hangtag.classify,
    hangtag.predict,
    hangtag.train,
    *(getattr(hangtag.Result, name) for name in ("to_csv", "report", "sort", "verify")),
)
#: Options whose work is done otherwise in Python: a list is an iterable, a terminal is none.
OF_TERMINALS = {"--help", "--json", "--list", "--list0", "--quiet", "--detach", "--follow"}
OF_TERMINALS |= {"--cancel", "--wait", "--no-wait-for-trainer", "--plot", "--top", "--truth"}
#: Options in sentences of commands that have no function here.
OF_OTHER_COMMANDS = {
    *("--alias", "--back-to", "--concurrency", "--count", "--events", "--folders", "--from"),
    *("--host", "--index", "--no-corrections", "--no-folders", "--open", "--pictures", "--port"),
    *("--queue", "--recursive", "--root", "--rows", "--scale", "--undo", "--workers"),
}


def parameters() -> set[str]:
    return {name for function in FUNCTIONS for name in inspect.signature(function).parameters}


def test_each_argument_is_a_parameter() -> None:
    named = {argument.partition("=")[0] for argument in ARGUMENTS.values()}
    assert named <= parameters()


@pytest.mark.parametrize("command", ["classify", "predict", "train"])
def test_each_option_of_a_command_has_an_argument(command: str) -> None:
    options = {
        option
        for parameter in commands.commands[command].params
        for option in [*parameter.opts, *parameter.secondary_opts]
        if option.startswith("--")
    }
    assert options - OF_TERMINALS - ({"--force"} if command == "predict" else set()) <= set(
        ARGUMENTS
    )


def test_the_options_of_a_training_are_its_fields() -> None:
    for field in training.options():
        assert ARGUMENTS[training.flag(field)].partition("=")[0] == field


def texts(path: Path) -> Iterator[str]:
    """The constants of a module, without its docstrings."""
    tree = ast.parse(path.read_bytes())
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_each_option_that_a_sentence_names_has_an_argument_or_another_command() -> None:
    paths = [*(ROOT / "shared").rglob("*.py"), *(ROOT / "producer").rglob("*.py")]
    named = {
        option
        for path in paths
        if not path.is_relative_to(ROOT / "producer" / "cli") and b"--" in path.read_bytes()
        for text in texts(path)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+\b", text)
    }
    assert len(named) > 30
    assert named - set(ARGUMENTS) <= OF_TERMINALS | OF_OTHER_COMMANDS


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("choose another -o, or replace it with --restart", None),
        ("give --min-confidence", "give min_confidence="),
        (
            "no threshold for --accept 99%; choose from 95%",
            "no threshold for accept='99%'; choose from 95%",
        ),
        ("--top-k 5 is too much", "top_k=5 is too much"),
        ("-o a/b.txt: no table is", "output='a/b.txt': no table is"),
        ("--max-failures allows", "max_failures= allows"),
        ("or use --transport inline", "or use transport='inline'"),
        ("--name 'A!' cannot be", "name='A!' cannot be"),
        ("see: hangtag models list", "see: hangtag.models()"),
        ("see: hangtag models list shoes", "see: hangtag.models('shoes')"),
        ("start it over with: hangtag classify --top-k 5 --restart", ...),
        ("finish it with: hangtag collect a.csv; or --restart", ...),
        ("run it again with classify --restart", "with hangtag.classify(..., restart=True)"),
        ("use --copy", "use way='copy'"),
        ("a non-option, a-b --unknown -x", ...),
    ],
)
def test_sentences_of_commands_become_those_of_python(sentence: str, expected: object) -> None:
    made = in_python(sentence)
    if expected is None:
        assert made == "choose another output=, or replace it with restart=True"
    elif expected is ...:  # a command stays as it is typed
        assert made == sentence.replace("; or --restart", "; or restart=True")
    else:
        assert str(expected) in made
    assert in_python(made) == made


@pytest.mark.parametrize("error", [UsageError("give --accept"), BadMessage("give --accept")])
def test_an_error_keeps_its_kind(error: HangtagError) -> None:
    @with_python_errors
    def fails() -> None:
        raise error

    with pytest.raises(type(error), match=r"^give accept=$"):
        fails()


def test_an_error_without_arguments_keeps_its_sentence() -> None:
    @with_python_errors
    def stops() -> None:
        raise Stopped

    with pytest.raises(Stopped, match=r"^interrupted$"):
        stops()
