"""Arguments of a wrong type end in one sentence that names them, before anything is done."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hangtag
from hangtag.arguments import checked_types


def functions() -> Iterable[Callable[..., Any]]:
    """All that a program calls."""
    yield from filter(inspect.isfunction, (getattr(hangtag, name) for name in hangtag.__all__))
    for owner in (hangtag.Result, hangtag.Request):
        for name, method in inspect.getmembers(owner, inspect.isfunction):
            if not name.startswith("_"):
                yield method
    yield hangtag.Request.__init__


CASES = [
    pytest.param(function, name, id=f"{function.__qualname__}-{name}")
    for function in functions()
    for name in inspect.signature(function).parameters
    if name not in ("self", "images")
]
#: Of arguments without a default; others, also the object of a method, have text.
GIVEN: dict[str, Any] = {"labels": {}, "way": "copy"}


def called(function: Callable[..., Any], name: str, value: Any) -> Any:
    """The function with this argument, and what it needs besides."""
    needed = {
        other: GIVEN.get(other, "text")
        for other, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
    }
    return function(**needed | {name: value})


@pytest.mark.parametrize(("function", "name"), CASES)
def test_every_argument_is_refused_if_its_type_is_wrong(
    function: Callable[..., Any], name: str
) -> None:
    with pytest.raises(hangtag.UsageError, match=rf"^{name} is <object .*>; give .") as error:
        called(function, name, object())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("function", "name", "value", "sentence"),
    [
        (hangtag.classify, "top_k", "3", "top_k is '3'; give a whole number or None"),
        (hangtag.classify, "top_k", True, "top_k is True; give a whole number or None"),
        (hangtag.classify, "archives", 1, "archives is 1; give True or False"),
        (hangtag.classify, "output", 3, "output is 3; give text or a path or None"),
        (hangtag.classify, "output", b"a.csv", "output is b'a.csv'; give text or a path or None"),
        (hangtag.classify, "min_confidence", "high", "min_confidence is 'high'; give a number or"),
        (hangtag.classify, "columns", ["label", 3], "columns has 3; give text"),
        (hangtag.classify, "glob", b"*.png", "glob is b'*.png'; give text or a list"),
        (hangtag.classify, "stop", True, "stop is True; give a Stop or None"),
        (hangtag.classify, "progress", 3, "progress is 3; give a function or True or False or No"),
        (hangtag.classify, "images", 3, "images is 3; give a folder, or a list of paths"),
        (hangtag.predict, "images", 3, "images is 3; give an image, or a list of images"),
        (hangtag.train, "corrections", "a.csv", "corrections is 'a.csv'; give a list"),
        (hangtag.train, "serve", "slow", "serve is 'slow'; give 'auto' or 'fast' or None"),
        (hangtag.open_table, "table", "a\0b", "table has 'a\\x00b'; leave out NUL"),
        (hangtag.groups, "folder", Path("a\ud800"), "folder has PosixPath('a\\ud800'); leave out"),
        (hangtag.train, "corrections", ["a\0"], "corrections has 'a\\x00'; leave out NUL"),
        (hangtag.predict, "images", "a\0", "images has 'a\\x00', and no path has a NUL"),
        (hangtag.predict, "images", ["a\ud800"], "images has a path with half of a character"),
        (hangtag.classify, "images", ["a\ud800"], "images has a path with half of a character"),
        (hangtag.label, "left_out", iter([3]), "left_out has 3; give text or a path"),
        (hangtag.label, "labels", ["a.png"], "labels is ['a.png']; give a dictionary"),
        (hangtag.Result.sort, "way", "cut", "way is 'cut'; give 'copy' or 'link'"),
    ],
)
def test_the_sentence_says_what_to_give(
    function: Callable[..., Any], name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(hangtag.UsageError) as error:
        called(function, name, value)
    assert str(error.value).startswith(sentence)


def test_numbers_of_numpy_and_iterators_are_taken_as_those_of_python() -> None:
    @checked_types
    def given(count: int, share: float, paths: Iterable[Path]) -> list[object]:
        return [count, share, paths]

    found = given(np.int64(3), np.float32(0.5), (Path(name) for name in "ab"))  # type: ignore
    assert found == [3, 0.5, [Path("a"), Path("b")]]
    assert list(map(type, found)) == [int, float, list]


def test_a_call_with_another_name_is_a_type_error_of_its_function() -> None:
    with pytest.raises(TypeError, match=r"^models\(\) got an unexpected keyword argument 'nam'"):
        hangtag.models(nam="x")  # type: ignore[call-arg]
