"""Refuses arguments of a wrong type, by the annotations of the function."""

from __future__ import annotations

import functools
import inspect
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from shared.errors import UsageError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
#: Images, which have a check of their own, and what a function returns.
_OTHERS = {"images", "return"}
_WORDS: dict[Any, str] = {
    str: "text", os.PathLike: "a path", int: "a whole number", float: "a number",
    bool: "True or False", NoneType: "None",
}  # fmt: skip


def checked_types(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The function for arguments of the types that it declares. Numbers of NumPy become those of
    Python, and an iterator becomes a list.

    Raises:
        UsageError: an argument has another type; the sentence names it.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # its own sentence has its name
        for name, hint in _hints(function).items():
            if name in bound.arguments:
                bound.arguments[name] = _checked(name, _python_number(bound.arguments[name]), hint)
        return function(*bound.args, **bound.kwargs)

    return call


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of the arguments. A module may define them after the function."""
    own = {name: hint for name, hint in function.__annotations__.items() if name not in _OTHERS}
    return get_type_hints(SimpleNamespace(__annotations__=own), function.__globals__)


def _python_number(value: Any) -> Any:
    if isinstance(value, Iterator):
        return list(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _checked(name: str, value: Any, hint: Any) -> Any:
    wrong, most = f"{name} is {value!r:.80}; give {_words(hint)}", -1
    for one in filter(partial(_has_type, value), _alternatives(hint)):
        for number, (item, kind) in enumerate(_items(value, one)):
            if not _has_type(item, kind):
                if number > most:  # the longest beginning that fits
                    wrong, most = f"{name} has {item!r:.80}; give {_words(kind)}", number
                break
            _check_text(name, item)
        else:
            _check_text(name, value)
            return value
    raise UsageError(wrong)


def _check_text(name: str, value: object) -> None:
    """Raises UsageError: this text or path can name no file."""
    if isinstance(value, str | os.PathLike):
        with suppress(UnicodeEncodeError):
            if b"\0" not in os.fsencode(value):
                return
        raise UsageError(f"{name} has {value!r:.80}; leave out NUL and halves of characters")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _has_type(value: Any, hint: Any) -> bool:
    """Whether a value has a type, apart from its items."""
    kind = get_origin(hint) or hint
    if kind in (Union, UnionType):
        return any(_has_type(value, one) for one in get_args(hint))
    if kind is Literal:
        return value in get_args(hint)
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    is_one_path = isinstance(value, str | bytes | os.PathLike)
    return isinstance(value, kind) and not (is_one_path and _has_items(hint))


def _has_items(hint: Any) -> bool:
    return get_origin(hint) in (Iterable, Mapping, Sequence)


def _items(value: Any, hint: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a value, each with its type."""
    if not _has_items(hint):
        return
    of = get_args(hint)
    for item in value:
        yield item, of[0]
        if isinstance(value, Mapping):
            yield value[item], of[1]


def _words(hint: Any) -> str:
    kind, of = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_words, of)))
    if kind is Literal:
        return " or ".join(map(repr, of))
    if _has_items(hint):
        return "a dictionary" if kind is Mapping else "a list"
    return _WORDS.get(kind or hint) or ("a function" if kind else f"a {hint.__name__}")
