"""A command line of a page or message, parsed as a shell does."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

#: Assignments of variables, then the command.
_LINE = re.compile(r"(?:HANGTAG_\w+=(?:'[^']*'|\S)+\s+)+hangtag worker[^\n]*")


class Typed(NamedTuple):
    """The variables that it sets, and the arguments of `hangtag`."""

    variables: dict[str, str]
    arguments: list[str]

    def filled_in(self, **values: str) -> dict[str, str]:
        """The variables, with these values in place of `...`."""
        left = {name for name, value in self.variables.items() if value == "..."}
        assert left == set(values), f"{left} are left open"
        return {**self.variables, **values}


def typed(text: str) -> Typed:
    """The only line in a text that starts a worker."""
    (line,) = _LINE.findall(text.replace("\\\n", ""))
    words = shlex.split(line, comments=True)
    at = words.index("hangtag")
    return Typed(dict(word.split("=", 1) for word in words[:at]), words[at + 1 :])
