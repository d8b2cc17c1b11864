"""docker-compose.yml as an engine parses it."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from tests.support.processes.fleet import ROOT

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^{}]*))?\}")


def composed(file: str = FILES[0], **settings: str) -> dict[str, Any]:
    """One file, with its variables set to `settings` or to their defaults."""
    text = (ROOT / file).read_text("utf-8")
    return copy.deepcopy(_parsed(_VARIABLE.sub(lambda m: _value(m, settings), text)))


def services(file: str = FILES[0], **settings: str) -> dict[str, dict[str, Any]]:
    """The services of one file by name."""
    found: dict[str, dict[str, Any]] = composed(file, **settings)["services"]
    return found


def seconds(text: str) -> int:
    """The seconds of a duration like 150s."""
    assert text.endswith("s")
    return int(text[:-1])


def mib(text: str) -> int:
    """The MiB of a size like 1536m, 6g or Redis' 512mb."""
    number, unit = re.fullmatch(r"(\d+)([mg])b?", text).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 1, "g": 1024}[unit]


@cache
def _parsed(text: str) -> dict[str, Any]:
    whole: dict[str, Any] = yaml.safe_load(text)
    return whole


def _value(found: re.Match[str], settings: Mapping[str, str]) -> str:
    name, kind, default = found.groups()
    return settings.get(name) or (default if kind == "-" else f"./{name.lower()}")
