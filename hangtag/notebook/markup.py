"""Fills a template: a part of a notebook's page, which has its colours and any width."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = resources.files("hangtag.notebook") / "templates"
_STYLE = "style.css"


def filled(name: str, **values: Any) -> str:
    """HTML; every value is escaped."""
    from markupsafe import Markup

    style = Markup(_read(_STYLE).replace("\n", ""))
    return _environment().from_string(_read(name)).render(style=style, **values)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)


@functools.cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
