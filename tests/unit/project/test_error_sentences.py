"""An error is one sentence, a semicolon, and what to do: `--json` reports them apart."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import shared.errors
from shared.errors import HangtagError, ImageError
from tests.support.processes.fleet import ROOT

PACKAGES = ("hangtag", "producer", "shared", "worker")
SEPARATOR = "; "
ERRORS = {
    name
    for name, kind in vars(shared.errors).items()
    if isinstance(kind, type) and issubclass(kind, HangtagError) and kind is not ImageError
}
#: Words that start an instruction.
VERBS = {
    "add", "allow", "call", "cancel", "check", "choose", "compare", "confirm", "connect",
    "create", "delete", "draw", "finish", "fix", "follow", "free", "give", "go", "import",
    "install", "leave", "let", "make", "move", "name", "pass", "promote", "publish", "put",
    "raise", "remove", "rename", "renew", "repair", "repeat", "restore", "resume", "run", "save",
    "see", "set", "sign", "start", "stop", "submit", "take", "train", "try", "type", "unpack",
    "unset", "update", "use", "wait", "write",
}  # fmt: skip
#: Starts of what else helps: an alternative, what to choose from, and why nothing is to do.
HELP = (
    *("or ", "on a machine with ", "for example ", "for more ", "this shows why", "it has"),
    *("its labels: ", "--index goes from ", "the limit is ", "there is nothing to "),
    *("no file is lost", "the first: ", "a class needs ", "a model needs "),
    *("the version is refused", "the same command ", "a job's own table keeps "),
    "the rows so far would replace it: ",
)
#: Strings of several clauses that are no errors: a help, notices, decisions, SQL, a policy.
OTHERS = {
    "producer/cli/params.py",
    "producer/cli/jobs/job_summary.py",
    "producer/journal/schema.py",
    "producer/local_page/guard.py",
    "worker/handlers/quality_gate.py",
}
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def template(node: ast.expr) -> str:
    """A string of the source, with {} for each value; empty if it is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or "{}" for part in node.values)
    if isinstance(node, ast.BinOp):
        return template(node.left) + template(node.right)
    return ""


def strings(tree: ast.Module) -> Iterator[str]:
    """Every string but docstrings; of one with values the whole."""
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(id(node.value))
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts:
            yield template(node)


def raised(tree: ast.Module) -> Iterator[str]:
    """The sentences with which errors are made, where they are written there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            names = {name.id for name in ast.walk(node.func) if isinstance(name, ast.Name)}
            if names & (ERRORS - {ImageError.__name__}) and not isinstance(
                node.func, ast.Attribute
            ):
                yield template(node.args[0])


def fault(remedy: str) -> bool:
    """Whether something else than help follows."""
    first = re.split(r"[ :,]", remedy)[0]
    return not (first in VERBS or remedy.startswith(("{}", *HELP)))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def test_no_sentence_has_two_separators() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in MODULES
        if str(path.relative_to(ROOT)) not in OTHERS
        for text in strings(parsed(path))
        if text.count(SEPARATOR) > 1
    }
    assert wrong == set()


def test_what_follows_the_separator_of_an_error_says_what_to_do() -> None:
    sentences = [(path, text) for path in MODULES for text in raised(parsed(path))]
    with_help = [
        (path, text.partition(SEPARATOR)[2]) for path, text in sentences if SEPARATOR in text
    ]
    assert len(with_help) > 300
    assert {f"{path.relative_to(ROOT)}: {text}" for path, text in with_help if fault(text)} == set()


@pytest.mark.parametrize(
    ("remedy", "wrong"),
    [
        ("choose another -o", False),
        ("{}", False),
        ("its disk is full", True),
        ("the trainer has ended", True),
    ],
)
def test_a_second_reason_is_no_help(remedy: str, wrong: bool) -> None:
    assert fault(remedy) is wrong
