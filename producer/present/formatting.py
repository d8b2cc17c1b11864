"""Formats figures and foreign text for people: short, and in one line."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Sequence
from datetime import datetime

import click
import msgspec

_UNITS = ("B", "kB", "MB", "GB")
_LATEST_S = 1 << 33  #: the year 2242, in seconds since 1970; later times are invalid
#: With the spaces around it.
_LINE_END = re.compile(r"\s*[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]\s*")
#: Units of ages: seconds, name, and the number from which the next unit is used.
_AGES = ((1, "s", 60), (60, "min", 60), (3600, "h", 24), (86400, "day", 30))


def size(count: int | None) -> str:
    """`3.4 MB`; `-` if unknown."""
    if count is None:
        return "-"
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"


def mib(count: int) -> str:
    """`16 MiB`, `1.5 MiB`: a limit that is a power of two."""
    return f"{count / (1 << 20):.3g} MiB"


def share(value: float | None, digits: int = 4) -> str:
    """A fraction with `digits` decimals; `-` for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """`97.5%` of 0.975; `-` for None. Less than all is never 100%, nor more than nothing 0%."""
    if value is None:
        return "-"
    shown, least = f"{value:.{digits}%}", 10.0 ** -(digits + 2)
    if value < 1 and shown == f"{1:.{digits}%}":
        return f"> {1 - least:.{digits}%}"
    if value > 0 and shown == f"{0:.{digits}%}":
        return f"< {least:.{digits}%}"
    return shown


def moment(text: str) -> str:
    """`2026-11-24 19:20` of a time in ISO 8601, in local time as everything that is displayed."""
    then_s = seconds_of(text)
    if not then_s:
        return one_line(text)[:16]
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(then_s))


def near(path: str) -> str:
    """A path as it is short to type: relative, if it lies below the current folder."""
    folder = os.path.join(os.getcwd(), "")
    return path.removeprefix(folder) if path != folder else path


def duration(seconds: float) -> str:
    """`12 s`, `3:05 min`, `1:02:03 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def ago(then_s: float, now_s: float) -> str:
    """`now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`, and then the local date; `-` for 0
    and invalid times. Both are in seconds since 1970."""
    if not 0 < then_s < _LATEST_S:
        return "-"
    passed_s = max(0.0, now_s - then_s)
    if passed_s < 1:
        return "now"
    for unit_s, name, limit in _AGES:
        if passed_s < limit * unit_s:
            count = int(passed_s // unit_s)
            plural = "s" if name == "day" and count > 1 else ""
            return f"{count} {name}{plural} ago"
    return time.strftime("%Y-%m-%d", time.localtime(then_s))


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a time in ISO 8601; 0 if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def one_line(text: str) -> str:
    """Foreign text in one line, without control characters for a terminal. Spaces in it stay, since
    it may name a path."""
    line = _LINE_END.sub(" ", text).strip()
    return line if line.isprintable() else "".join(map(_shown, escaped(line)))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ascii(character)[1:-1]


def typed(arguments: Sequence[str]) -> str:
    """A command quoted for a shell, with any bytes in its arguments; printable on a terminal."""
    return " ".join(shlex.quote(a) if a.isprintable() else _dollar_quoted(a) for a in arguments)


def undo_command(out: os.PathLike[str] | str) -> str:
    """What takes the files of a folder back, as it is typed."""
    return typed(["hangtag", "sort", "--undo", str(out)])


def _dollar_quoted(argument: str) -> str:
    plain = (
        chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}"
        for b in os.fsencode(argument)
    )
    return f"$'{''.join(plain)}'"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `2,000 images`; with a plural that has not just an s added, that one."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def escaped(text: str) -> str:
    """Text that any terminal and file accepts: bytes of a path that are not UTF-8 as `\\xe9`."""
    try:
        return os.fsencode(text).decode(errors="backslashreplace")
    except UnicodeEncodeError:  # of no path
        return text.encode(errors="backslashreplace").decode()


def json_text(value: object) -> str:
    """One JSON document in one line; its paths may have bytes that are not UTF-8."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_escaped_parts(msgspec.to_builtins(value))).decode()


def _escaped_parts(value: object) -> object:
    match value:
        case str():
            return escaped(value)
        case list():
            return [_escaped_parts(part) for part in value]
        case dict():
            return {_escaped_parts(key): _escaped_parts(part) for key, part in value.items()}
    return value


def show_json(value: object) -> None:
    """One JSON document on standard output: in UTF-8, with any encoding of texts."""
    click.echo(json_text(value).encode())
