"""Mutates Lua scripts: finds every guard by parsing, and removes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.mutants.lua import Binary, Call, Span, Syntax, parse

LUA = Path(__file__).parents[2] / "shared" / "ledger" / "lua"
#: Comparisons with their limit included or excluded.
_AT_THE_LIMIT = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


class Mutant(NamedTuple):
    """One Lua file without one of its guards."""

    file: str
    name: str  #: the change; stable when other parts of the file change
    guard: Span
    text: str  #: the whole file

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


def mutants(files: Iterable[str]) -> list[Mutant]:
    """Every mutant of these files (names without the suffix), in the order of the text."""
    return [mutant for file in files for mutant in mutants_of(file, source(file))]


def source(file: str) -> str:
    return (LUA / f"{file}.lua").read_text(encoding="utf-8")


def mutants_of(file: str, text: str) -> list[Mutant]:
    """Every mutant of this text, without duplicates and unchanged texts."""
    syntax = parse(text)
    found: dict[str, Mutant] = {}
    names: dict[str, int] = {}
    for guard, instead in sorted(_changes(syntax)):
        whole = text[: guard.start] + instead + text[guard.end :]
        if whole == text or whole in found:
            continue
        name = f"{_flat(syntax.of(guard))} -> {_flat(instead) or 'nothing'}"
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name += f" ({names[name]})"
        found[whole] = Mutant(file, name, guard, whole)
    return list(found.values())


def scripts(mutant: Mutant, prelude: str, whole: Mapping[str, str]) -> dict[str, str]:
    """The scripts, by name, that the mutant changes. Each starts with `prelude`."""
    text = source(mutant.file)
    prefix = source(prelude)
    if mutant.file == prelude:
        return {name: mutant.text + one.removeprefix(prefix) for name, one in whole.items()}
    return {name: prefix + mutant.text for name, one in whole.items() if one == prefix + text}


def guards(text: str) -> list[Span]:
    """The parts that need a mutant: conditions, operands of `and` and `or`, comparisons."""
    syntax = parse(text)
    compared = ("<", ">", "<=", ">=", "==", "~=")
    return [
        *syntax.conditions,
        *(Span(o.left.start, o.right.end) for o in syntax.operations if o.operator in compared),
        *(side for o in syntax.operations if o.operator in ("and", "or") for side in o[1:]),
    ]


def _changes(syntax: Syntax) -> Iterator[tuple[Span, str]]:
    for condition in syntax.conditions:
        yield condition, "true"
        yield condition, "false"
    for operation in syntax.operations:
        yield from _of_operation(syntax, operation)
    for call in syntax.calls:
        yield from _of_call(syntax, call)
    for statement in syntax.statements:
        yield statement, ""


def _of_operation(syntax: Syntax, operation: Binary) -> Iterator[tuple[Span, str]]:
    operator, left, right = operation
    whole = Span(left.start, right.end)
    if operator in ("and", "or"):
        yield whole, syntax.of(left)
        yield whole, syntax.of(right)
    elif operator in _AT_THE_LIMIT:
        yield whole, f"{syntax.of(left)} {_AT_THE_LIMIT[operator]} {syntax.of(right)}"
    elif operator in ("+", "-"):
        yield whole, syntax.of(left)


def _of_call(syntax: Syntax, call: Call) -> Iterator[tuple[Span, str]]:
    if call.function == "math.max":
        for argument in call.arguments:
            yield call.whole, syntax.of(argument)
    if call.function == "ipairs":
        for i in range(len(call.elements)):
            yield _without(call.elements, i, 1), ""
    command = syntax.of(call.arguments[0]) if call.arguments else ""
    if call.function.startswith("redis.") and command == "'HSET'" and len(call.arguments) > 4:
        for i in range(2, len(call.arguments), 2):
            yield _without(call.arguments, i, 2), ""


def _without(items: list[Span], first: int, count: int) -> Span:
    """`count` items of a list from index `first`, with their comma."""
    after = first + count
    if after < len(items):
        return Span(items[first].start, items[after].start)
    return Span(items[first - 1].end if first else items[first].start, items[-1].end)


def _flat(text: str) -> str:
    return " ".join(text.split())
