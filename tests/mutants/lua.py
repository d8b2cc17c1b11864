"""Parses the Lua of the ledgers enough to locate conditions, operands and calls.

It supports only a part of Lua and rejects other scripts, so that no guard is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)|(?P<string>'[^'\\\n]*')|(?P<number>\d+(?:\.\d+)?)
      |(?P<name>[A-Za-z_]\w*)|(?P<sign>==|~=|<=|>=|\.\.|[-+*/%\#<>=(){}\[\];:,.])""",
    re.VERBOSE,
)
_PRECEDENCE = {
    "or": 1, "and": 2, "<": 3, ">": 3, "<=": 3, ">=": 3, "==": 3, "~=": 3, "..": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
_UNARY, _UNARY_PRECEDENCE = ("not", "-", "#"), 7
_ENDS = ("end", "else", "elseif")


class Span(NamedTuple):
    """A part of the text."""

    start: int
    end: int


class Binary(NamedTuple):
    """An operation and its operands."""

    operator: str
    left: Span
    right: Span


class Call(NamedTuple):
    """A call: its function and arguments, and the elements if its only argument is a table."""

    function: str
    whole: Span
    arguments: list[Span]
    elements: list[Span]


class Syntax(NamedTuple):
    """The located parts of a script."""

    text: str
    conditions: list[Span]  #: of if, elseif and while
    operations: list[Binary]
    calls: list[Call]
    statements: list[Span]  #: calls without a use of their value

    def of(self, span: Span) -> str:
        return self.text[span.start : span.end]


def parse(text: str) -> Syntax:
    """Raises SyntaxError for unsupported Lua."""
    parser = _Parser(text)
    parser.block(())
    parser.expect("")
    return parser.found


class _Parser:
    def __init__(self, text: str) -> None:
        self.found = Syntax(text, [], [], [], [])
        self._tokens = list(_tokens(text))
        self._i = 0

    @property
    def next(self) -> str:
        """The next token; empty at the end."""
        start, end = self._tokens[self._i]
        return self.found.text[start:end]

    def take(self) -> str:
        token = self.next
        self._i += 1
        return token

    def accept(self, token: str) -> bool:
        found = self.next == token
        self._i += found
        return found

    def expect(self, token: str) -> None:
        if self.next != token:
            line = self.found.text.count("\n", 0, self._tokens[self._i].start) + 1
            raise SyntaxError(f"line {line}: {self.next!r} where {token!r} was expected")
        self._i += 1

    def _since(self, i: int) -> Span:
        return Span(self._tokens[i].start, self._tokens[self._i - 1].end)

    def _read(self, rule: Callable[[], object]) -> Span:
        i = self._i
        rule()
        return self._since(i)

    def block(self, ends: Collection[str]) -> None:
        while self.next not in ends and self.next:
            self._statement()

    def _statement(self) -> None:
        rule = {"local": self._local, "if": self._if, "for": self._for, "return": self._return}
        if self.next in rule:
            rule[self.next]()
            return
        i = self._i
        self._primary()
        if self.next in (",", "="):
            while self.accept(","):
                self._primary()
            self.expect("=")
            self._expressions()
        else:
            self.found.statements.append(self._since(i))

    def _local(self) -> None:
        self.take()
        if self.accept("function"):
            self.take()
            self._body()
            return
        self._names()
        if self.accept("="):
            self._expressions()

    def _body(self) -> None:
        self.expect("(")
        if self.next != ")":
            self._names()
        self.expect(")")
        self.block(("end",))
        self.expect("end")

    def _names(self) -> None:
        self.take()
        while self.accept(","):
            self.take()

    def _if(self) -> None:
        while self.take() in ("if", "elseif"):  # else, end
            self.found.conditions.append(self._read(self._expression))
            self.expect("then")
            self.block(_ENDS)
        self._i -= 1
        if self.accept("else"):
            self.block(("end",))
        self.expect("end")

    def _for(self) -> None:
        self.take()
        self._names()
        if not self.accept("in"):
            self.expect("=")
        self._expressions()
        self.expect("do")
        self.block(("end",))
        self.expect("end")

    def _return(self) -> None:
        self.take()
        if self.next and self.next not in _ENDS:
            self._expressions()

    def _expressions(self) -> list[Span]:
        found = [self._read(self._expression)]
        while self.accept(","):
            found.append(self._read(self._expression))
        return found

    def _expression(self, above: int = 0) -> None:
        i = self._i
        if self.next in _UNARY:
            self.take()
            self._expression(_UNARY_PRECEDENCE)
        else:
            self._primary()
        while _PRECEDENCE.get(self.next, 0) > above:
            left, operator = self._since(i), self.take()
            precedence = _PRECEDENCE[operator]
            right = self._read(lambda p=precedence: self._expression(p))  # type: ignore[misc]
            self.found.operations.append(Binary(operator, left, right))

    def _primary(self) -> None:
        i = self._i
        if self.next == "{":
            self._table()
        elif self.accept("("):
            self._expression()
            self.expect(")")
        elif not re.fullmatch(r"\w+|'.*'", self.take()) or self.found.text[
            self._tokens[i].start : self._tokens[i].end
        ] in ("function", "while", "repeat", "do", "goto", "break", *_ENDS, "then"):
            self._i = i
            self.expect("an expression")
        self._suffixes(i)

    def _suffixes(self, i: int) -> None:
        while self.next in (".", "[", "("):
            function = self._since(i)
            sign = self.take()
            if sign == ".":
                self.take()
            elif sign == "[":
                self._expression()
                self.expect("]")
            else:
                self._call(i, function)

    def _call(self, i: int, function: Span) -> None:
        before = self._i
        arguments = [] if self.next == ")" else self._expressions()
        after, elements = self._i, []
        if len(arguments) == 1 and self.found.text[arguments[0].start] == "{":
            self._i = before
            elements = self._table()
            self._i = after
        self.expect(")")
        name = self.found.of(function)
        self.found.calls.append(Call(name, self._since(i), arguments, elements))

    def _table(self) -> list[Span]:
        self.expect("{")
        found = []
        while self.next != "}":
            found.append(self._read(self._element))
            if not self.accept(","):
                break
        self.expect("}")
        return found

    def _element(self) -> None:
        start, end = self._tokens[self._i + 1]
        if self.found.text[start:end] == "=":
            self.take()
            self.take()
        self._expression()


def _tokens(text: str) -> list[Span]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SyntaxError(f"line {text.count(chr(10), 0, at) + 1}: {text[at : at + 10]!r}")
        if match.lastgroup != "space":
            found.append(Span(*match.span()))
        at = match.end()
    return [*found, Span(at, at), Span(at, at)]
