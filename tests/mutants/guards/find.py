"""Finds the guards of Python sources by parsing: what refuses, compares identities, limits, syncs,
locks, sends headers and binds addresses. Each has mutants, in which it is missing."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

#: Words in names of what identifies a file, a version, a request or a process.
_IDENTITY = re.compile(
    r"(?i)identity|stamp|sha256|digest|hash|crc|checksum|token|owner|uid|lease|fence|device|st_dev"
    r"|st_ino|inode|content|mark|origin|host|\.id\b|same|version\b|worker\b|\bname\b|hostname"
)
_LIMIT = re.compile(r"_?[A-Z][A-Z0-9_]*")
_SYNC = re.compile(r"f?(data)?sync|sync_\w+|\w+_synced")
_LOCK = re.compile(r"\w*lock\w*|acquire|exclusive\w*")
_HEADERS = re.compile(r"_?[A-Z_]*HEADERS")
_REFUSAL = re.compile(r"(?i)refus|fail|finding|problem|missing|error|response")


class Guard(NamedTuple):
    """An expression or a statement, and what stands in its place in each mutant."""

    node: ast.expr | ast.stmt
    instead: tuple[str, ...]


class Mutant(NamedTuple):
    """One guard of a source file, replaced."""

    file: str
    name: str  #: function, guard and change; stable when other parts of the file change

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


def guards(tree: ast.Module) -> list[tuple[str, Guard]]:
    """Every guard, with the name of its function, in the order of the text."""
    finder = _Finder(tree)
    finder.visit(tree)
    return sorted(finder.found.values(), key=lambda one: _place(one[1].node))


def named(file: str, tree: ast.Module) -> list[tuple[Mutant, Guard, str]]:
    """Every mutant with its guard and replacement."""
    count: dict[str, int] = {}
    mutants = []
    for function, guard in guards(tree):
        for instead in guard.instead:
            name = f"{function}: {_flat(guard.node)} -> {instead}"
            count[name] = count.get(name, 0) + 1
            number = f" ({count[name]})" if count[name] > 1 else ""
            mutants.append((Mutant(file, name + number), guard, instead))
    return mutants


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """Every mutant of a file."""
    file = path.relative_to(root).as_posix()
    return [mutant for mutant, *_ in named(file, ast.parse(path.read_text(encoding="utf-8")))]


class _Finder(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.found: dict[int, tuple[str, Guard]] = {}
        self._scope: list[str] = []
        self._in_function = False  #: elsewhere a guard is evaluated by an import
        self._headers = _headers(tree)

    def _add(self, node: ast.expr | ast.stmt, *instead: str) -> None:
        known = self.found.get(id(node))
        before = known[1].instead if known else ()
        both = (*before, *(one for one in instead if one not in before))
        if both and self._in_function:
            self.found[id(node)] = (".".join(self._scope), Guard(node, both))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._named_scope(node, self._in_function)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._named_scope(node, True)

    visit_AsyncFunctionDef = visit_FunctionDef

    def _named_scope(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, in_function: bool
    ) -> None:
        before, self._in_function = self._in_function, in_function
        self._scope.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._scope.pop()
        self._in_function = before

    def visit_If(self, node: ast.If) -> None:
        if _refuses(node.body):
            self._condition(node.test, "False")
        if _refuses(node.orelse):
            self._condition(node.test, "True")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        if _is_refusal(node.body):
            self._condition(node.test, "False")
        if _is_refusal(node.orelse):
            self._condition(node.test, "True")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        # A predicate: its operands are guards of its callers.
        if isinstance(node.value, ast.BoolOp | ast.Compare) or _is_not(node.value):
            self._operands(node.value)
        self.generic_visit(node)

    def _condition(self, test: ast.expr, instead: str) -> None:
        self._add(test, instead)
        self._operands(test)

    def _operands(self, test: ast.expr | None) -> None:
        if isinstance(test, ast.UnaryOp):
            self._operands(test.operand)
        elif isinstance(test, ast.BoolOp):
            for operand in test.values:
                self._add(operand, str(isinstance(test.op, ast.And)))
                self._operands(operand)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        text = ast.unparse(node)
        equality = isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn)
        limit = any(isinstance(side, ast.Name) and _LIMIT.fullmatch(side.id) for side in sides)
        if (equality and _IDENTITY.search(text)) or (limit and not equality):
            self._add(node, "True", "False")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call):
            name = _called(value)
            if _SYNC.fullmatch(name) or _LOCK.fullmatch(name):
                self._add(node, "nothing")
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            name = _called(call) if isinstance(call, ast.Call) else ast.unparse(call)
            if item.optional_vars is None and _LOCK.fullmatch(name.rpartition(".")[2]):
                self._add(call, "no lock")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _called(node) == "bind" and node.args and isinstance(node.args[0], ast.Tuple):
            self._add(node.args[0].elts[0], "every address")
        for keyword in node.keywords:
            value = keyword.value
            if isinstance(value, ast.Name) and re.search("MAX", value.id):
                self._add(value, "no limit")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._add(node, *(f"without {name}" for name in self._headers.get(node.id, ())))


def _headers(tree: ast.Module) -> dict[str, list[str]]:
    """The names of the headers in each constant of a module that has them."""
    return {
        statement.targets[0].id: [key.value for key in statement.value.keys
                                  if isinstance(key, ast.Constant) and isinstance(key.value, str)]
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)
        and isinstance(statement.targets[0], ast.Name)
        and _HEADERS.fullmatch(statement.targets[0].id)
    }  # fmt: skip


def _refuses(body: list[ast.stmt]) -> bool:
    """Whether this branch raises, reports a problem, or leaves early."""
    values = [statement.value for statement in body if isinstance(statement, ast.Expr)]
    problems = [value for value in values if isinstance(value, ast.Yield) and value.value]
    return (
        any(isinstance(statement, ast.Raise) for statement in body)
        or any(value.value is not None and _is_refusal(value.value) for value in problems)
        or (bool(body) and isinstance(body[-1], ast.Return | ast.Continue | ast.Break))
    )


def _is_refusal(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return value.value is None or value.value is False
    return isinstance(value, ast.Call | ast.Attribute) and bool(
        _REFUSAL.search(_called(value) if isinstance(value, ast.Call) else value.attr)
    )


def _is_not(value: ast.expr | None) -> bool:
    return isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _place(node: ast.expr | ast.stmt) -> tuple[int, int, int]:
    return node.lineno, node.col_offset, -(node.end_col_offset or 0)


def _flat(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())
