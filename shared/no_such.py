"""The one sentence for whatever a user names and does not exist."""

from __future__ import annotations

from collections.abc import Iterable

#: Names that are listed, and alternatives that are proposed, at most.
_LISTED, _PROPOSED = 8, 3
_NAME_CHARS = 80


def no_such(kind: str, name: str, known: Iterable[str], see: str, listed: bool = True) -> str:
    """`there is no model fashon; did you mean fashion-mnist? see: hangtag models list`.

    Without a similar name the known ones are listed, if `listed`. `see` is a command that lists
    all.
    """
    names = list(dict.fromkeys(known))
    similar = _similar(name, names)
    if similar:
        found = f"did you mean {' or '.join(similar)}? "
    elif names and listed:
        found = f"there is: {_listed(names)}; "
    else:
        found = ""
    return f"there is no {kind} {_shown(name)}; {found}see: {see}"


def no_model(name: str, known: Iterable[str]) -> str:
    """The sentence for a model."""
    return no_such("model", name, known, "hangtag models list")


def no_version(
    model: str, which: int | str, versions: Iterable[int], aliases: Iterable[str]
) -> str:
    """The sentence for a version of a model by its number, or for an alias."""
    see = f"hangtag models list {model}"
    if isinstance(which, int):
        return no_such("version", f"{model}@{which}", (f"{model}@{n}" for n in versions), see)
    known = (f"{model}@{alias}" for alias in sorted(aliases))
    return no_such("alias", f"{model}@{which}", known, see)


def _similar(name: str, known: list[str]) -> list[str]:
    from difflib import get_close_matches  # slow to import, and only errors need it

    which = name.rpartition("@")[2]
    if which.isdigit():
        return []  # another number is another version, not a misspelled one
    ends = {one.rpartition("@")[2]: one for one in known}
    return [ends[end] for end in get_close_matches(which, ends, _PROPOSED)]


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    text = ", ".join(names[:_LISTED])
    return f"{text} and {more} more" if more > 0 else text


def _shown(name: str) -> str:
    text = name if name.isprintable() and name else repr(name)
    return text if len(text) <= _NAME_CHARS else f"{text[:_NAME_CHARS]}..."
