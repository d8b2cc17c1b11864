"""Compiles a source with all its mutants: each guard asks which mutant is active, if any.

So the same process can run any mutant, and records which guards a test reaches.
"""

from __future__ import annotations

import ast
import copy

from tests.mutants.guards.find import Mutant, named

#: Names of the functions that an instrumented module uses; `active.py` puts them into builtins.
ACTIVE, NO_LOCK, WITHOUT = "__guard_missing__", "__no_lock__", "__without_header__"


def instrumented(file: str, source: str) -> ast.Module:
    """The module of this source, whose guards ask for the active mutant."""
    tree = ast.parse(source)
    changes: dict[int, list[tuple[Mutant, str]]] = {}
    for mutant, guard, instead in named(file, tree):
        changes.setdefault(id(guard.node), []).append((mutant, instead))
    module = _Instrumenting(changes).visit(tree)
    assert isinstance(module, ast.Module)
    return ast.fix_missing_locations(module)


class _Instrumenting(ast.NodeTransformer):
    def __init__(self, changes: dict[int, list[tuple[Mutant, str]]]) -> None:
        self._changes = changes

    def visit(self, node: ast.AST) -> ast.AST:
        changes = self._changes.get(id(node), ())
        original = copy.deepcopy(node) if changes else node
        changed = super().generic_visit(node)
        for mutant, instead in changes:
            if isinstance(changed, ast.stmt):
                test = ast.UnaryOp(ast.Not(), _asked(mutant))
                changed = ast.copy_location(ast.If(test, [changed], []), original)
            else:
                assert isinstance(changed, ast.expr)
                assert isinstance(original, ast.expr)
                choice = ast.IfExp(_asked(mutant), _replacement(original, instead), changed)
                changed = ast.copy_location(choice, original)
        return changed


def _asked(mutant: Mutant) -> ast.expr:
    return ast.Call(ast.Name(ACTIVE, ast.Load()), [ast.Constant(mutant.id)], [])


def _replacement(original: ast.expr, instead: str) -> ast.expr:
    if instead.startswith("without "):
        name = ast.Constant(instead.removeprefix("without "))
        return ast.Call(ast.Name(WITHOUT, ast.Load()), [copy.deepcopy(original), name], [])
    if instead == "no lock":
        return ast.Call(ast.Name(NO_LOCK, ast.Load()), [], [])
    values: dict[str, str | bool | None] = {
        "True": True,
        "False": False,
        "every address": "0.0.0.0",
        "no limit": None,
    }
    constant = ast.Constant(values[instead])
    if any(isinstance(node, ast.NamedExpr) for node in ast.walk(original)):
        # The condition is evaluated, because later lines use the name that it binds.
        both = ast.Tuple([copy.deepcopy(original), constant], ast.Load())
        return ast.Subscript(both, ast.Constant(1), ast.Load())
    return constant
