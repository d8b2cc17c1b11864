"""`python -m tests.support.failpoints.fired FOLDER`: checks that each failpoint has fired.

Tests whose environment has HANGTAG_TEST_FIRED=FOLDER record there which points fire; see
tests/support/failpoints/armed.py.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from shared import failpoints
from shared.ledger import batch_ledger

ROOT = Path(__file__).parents[3]
PACKAGES = ("producer", "worker", "shared")
#: Prefixes of points that are named after a Lua script.
FAMILIES = {"ledger.": batch_ledger.SCRIPTS}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Each source file of the product, parsed."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), _parsed(path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def passings(tree: ast.AST) -> Iterator[ast.expr]:
    """The argument of each call of `failpoint`."""
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id == failpoints.failpoint.__name__:
            assert isinstance(node, ast.Call)
            yield node.args[0]


@cache
def points() -> Counter[str]:
    """The number of places of each point in the product."""
    return Counter(
        n for _, tree in trees() for argument in passings(tree) for n in _names(argument)
    )


def _names(argument: ast.expr) -> list[str]:
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    assert isinstance(argument, ast.JoinedStr)
    family = ast.literal_eval(argument.values[0])
    return [family + name for name in FAMILIES[family]]


def fired(folder: Path) -> set[str]:
    """The points recorded in the files of the folder."""
    return {line for path in folder.iterdir() for line in path.read_text().splitlines()}


def report(known: set[str], seen: set[str]) -> tuple[str, int]:
    """The lines to print, and the exit code."""
    missing = sorted(known - seen)
    lines = [f"{len(known) - len(missing)} of {len(known)} points fired"]
    return "\n".join([*lines, *(f"not fired: {name}" for name in missing)]), bool(missing)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m tests.support.failpoints.fired FOLDER (with the notes of tests)")
        return 2
    text, code = report(set(points()), fired(Path(arguments[0])))
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
