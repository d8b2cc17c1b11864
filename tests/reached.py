"""Which shots the tests of a module fire: those that pytest would run, and no others."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from tests.armed import Shot

#: What has a test not run, or not count.
_OFF = {"skip", "skipif", "xfail"}


def shots_of(suite: ModuleType) -> set[Shot]:
    """Of its test functions: their parameters, and what their bodies name."""
    if _is_off(getattr(suite, "pytestmark", [])):
        return set()
    return {shot for test in _tests(suite) for shot in (*_given(test), *_named(test))}


def _tests(suite: ModuleType) -> Iterator[FunctionType]:
    for name, value in vars(suite).items():
        if name.startswith("test_") and isinstance(value, FunctionType):
            own = value.__module__ == suite.__name__
            if own and not _is_off(_marks(value)) and not _skips_itself(value):
                yield value


def _marks(test: Callable[..., Any]) -> list[Any]:
    return list(getattr(test, "pytestmark", []))


def _is_off(marks: Any) -> bool:
    return any(mark.name in _OFF for mark in (marks if isinstance(marks, list) else [marks]))


def _given(test: FunctionType) -> Iterator[Shot]:
    """The values of its parameters."""
    for mark in _marks(test):
        if mark.name == "parametrize":
            yield from _in(mark.args[1:])


def _in(value: object) -> Iterator[Shot]:
    marks = getattr(value, "marks", None)  # of a pytest.param, which is a tuple, too
    if isinstance(value, Shot):
        yield value
    elif isinstance(value, list | tuple) and not (marks and _is_off(list(marks))):
        for one in value:
            yield from _in(one)


def _named(test: FunctionType) -> Iterator[Shot]:
    """What stands in its body: `Shot("name", ...)`, and shots of the module by their names."""
    for node in ast.walk(_tree(test)):
        if isinstance(node, ast.Name):
            found = test.__globals__.get(node.id)
            if isinstance(found, Shot):
                yield found
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            literal = node.args and isinstance(node.args[0], ast.Constant)
            if test.__globals__.get(node.func.id) is Shot and literal:
                yield Shot(ast.literal_eval(node.args[0]))


def _skips_itself(test: FunctionType) -> bool:
    body = _tree(test).body[0]
    assert isinstance(body, ast.FunctionDef)
    called = [one.value.func for one in body.body
              if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)]  # fmt: skip
    return any(isinstance(one, ast.Attribute) and one.attr == "skip" for one in called)


def _tree(test: FunctionType) -> ast.Module:
    tree = ast.parse(textwrap.dedent(inspect.getsource(test)))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.decorator_list = []  # what is given there may be switched off
    return tree
