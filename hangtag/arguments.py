"""How Python names what the command line names: sentences of errors and notices have the arguments
of functions where those of commands have options.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from shared.errors import HangtagError
from shared.messages.files import TRANSPORTS
from shared.recipes import RECIPES
from shared.runtimes import RUNTIMES

P = ParamSpec("P")
R = TypeVar("R")

#: Of an option the argument. One with a value is followed by it: `--top-k 5` is `top_k=5`.
ARGUMENTS: Mapping[str, str] = {
    "-o": "output=",
    "--accept": "accept=",
    "--archives": "archives=True",
    "--columns": "columns=",
    "--corrections": "corrections=",
    "--copy": "way='copy'",
    "--data": "data=",
    "--deep": "deep=True",
    "--dry-run": "dry_run=True",
    "--epochs": "epochs=",
    "--force": "force=True",
    "--glob": "glob=",
    "--into": "into=",
    "--labels": "labels=",
    "--link": "way='link'",
    "--max-failures": "max_failures=",
    "--max-unreadable": "max_unreadable=",
    "--min-confidence": "min_confidence=",
    "--minutes": "minutes=",
    "--model": "model=",
    "--move": "way='move'",
    "--name": "name=",
    "--no-probabilities": "probabilities=False",
    "--output": "output=",
    "--precision": "precision=",
    "--probabilities": "probabilities=True",
    "--promote": "promote=",
    "--recipe": "recipe=",
    "--request-id": "request_id=",
    "--restart": "restart=True",
    "--retry-failed": "retry_failed=True",
    "--runtime": "runtime=",
    "--seed": "seed=",
    "--serve": "serve=",
    "--timeout": "timeout_s=",
    "--top-k": "top_k=",
    "--transport": "transport=",
    "--update": "update=True",
    "--watch": "watch=True",
    "--weighted": "weighted=True",
    "--without-corrections": "without_corrections=True",
}
#: Whole phrases, before options: commands that have a function, and the repetition of a command.
_PHRASES: Mapping[str, str] = {
    "hangtag classify --help": "help(hangtag.classify)",
    "hangtag train --help": "help(hangtag.train)",
    "hangtag workers": "hangtag.workers()",
    "use: hangtag classify": "use: hangtag.classify",
    "hangtag classify --restart": "hangtag.classify(..., restart=True)",
    "classify --restart": "hangtag.classify(..., restart=True)",
    "the list from standard input": "images",
    "a list from standard input cannot be watched; save it as a file": "a list of images cannot be "
    "watched; give a folder",
    "watching for changes; end with Ctrl-C": "watching for changes",
    "check this option": "check this argument",
    "name another file with -o": "name another file with file=",
    "run the same command": "make the same call",
    "the same command": "the same call",
    ", continue with the recorded one by </dev/null,": "",
}
#: A command is typed in a terminal as it is; it ends with its part of the sentence.
_COMMAND = r"\bhangtag [a-z][^;]*"
_MODELS = r"(?P<models>hangtag models list)(?: (?P<model>[a-z0-9-]+))?"
_OPTION = r"(?<![\w-])(?P<option>--?[a-z][a-z0-9-]*)"
#: What follows an option if it is its value: a number, a name in quotes, a path, a choice.
_VALUES = (r"\d[\d.]*%?", r"'[^']*'", r"[\w./-]*[./][\w./-]*", *RECIPES, *RUNTIMES, *TRANSPORTS)


def in_python(text: str) -> str:
    """The sentence of a command for a caller in Python."""
    return _pattern().sub(_argument, text)


@contextmanager
def python_sentences() -> Iterator[None]:
    """Have the errors of a block name arguments."""
    try:
        yield
    except HangtagError as error:
        error.args = (in_python(str(error)), *error.args[1:])
        raise


def with_python_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Have errors of the function name arguments, not command-line options."""

    @functools.wraps(function)
    def renaming(*args: P.args, **kwargs: P.kwargs) -> R:
        with python_sentences():
            return function(*args, **kwargs)

    return renaming


@functools.cache
def _pattern() -> re.Pattern[str]:
    values = "|".join(_VALUES)
    value = rf"(?: (?P<value>(?:{values})(?=[\s;:,]|$)))?"
    phrases = "|".join(map(re.escape, sorted(_PHRASES, key=len, reverse=True)))
    return re.compile(f"(?P<phrase>{phrases})|{_MODELS}|(?P<command>{_COMMAND})|{_OPTION}{value}")


def _argument(match: re.Match[str]) -> str:
    if match["phrase"] is not None:
        return _PHRASES[match["phrase"]]
    if match["models"] is not None:
        return f"hangtag.models({match['model']!r})" if match["model"] else "hangtag.models()"
    option, value = match["option"], match["value"]
    if match["command"] is not None or option not in ARGUMENTS:
        return match[0]
    argument = ARGUMENTS[option]
    if value is None or not argument.endswith("="):
        return argument + (f" {value}" if value else "")
    is_number = re.fullmatch(r"\d+(\.\d+)?", value) is not None
    return argument + (value if is_number or value.startswith("'") else repr(value))
