"""One HTML page from a template: a single file that fetches nothing and runs nothing but its own
script.

Its content security policy allows the style sheet and the script by their hashes, pictures that are
part of the page, and nothing else: no `style` attribute, no other script, no address.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import re
from collections.abc import Sequence
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from producer.present import formatting
from producer.table.output_path import write_file
from shared.errors import UsageError
from shared.messages.files import printable

SUFFIX = ".html"
#: The colours are those of local pages, too.
PALETTE = "palette.css"
STYLES, SCRIPT = (PALETTE, "page.css"), "page.js"
_NO_PAGE = "exists and is no page of Hangtag"
#: Where templates, style sheets and scripts are.
FOLDERS = [resources.files("producer.pages") / "templates"]


class Page(NamedTuple):
    """A page, and its policy for a server that sends it as a header."""

    html: str
    policy: str


class Kind(StrEnum):
    """What a page is; the name of its template."""

    REPORT = "report"
    CHECK = "check"
    COMPARISON = "compare"
    MODEL = "model"


def render(
    template: str, *, scripts: Sequence[str] = (SCRIPT,), images: str = "data:", **values: Any
) -> Page:
    """Fill a template of FOLDERS. `scripts` are files of these, too; `images` is the source of
    pictures in the policy."""
    from markupsafe import Markup

    style, script = "".join(map(read, STYLES)), "".join(map(read, scripts))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            f"img-src {images}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    own = {
        "kind": template.removesuffix(SUFFIX),
        "policy": policy,
        "style": Markup(style),
        "script": Markup(script),
    }
    return Page(_environment().get_template(template).render(**values, **own), policy)


def part(template: str, style: str, **values: Any) -> str:
    """Fill a template that is a part of another page, with its own style sheet."""
    from markupsafe import Markup

    return str(_environment().get_template(template).render(style=Markup(read(style)), **values))


def check(path: Path, kind: Kind, force: bool) -> None:
    """Check a page's path before work starts.

    Raises:
        UsageError: a page cannot be written there, or another file or a page of another kind is
            there (unless `force`).
    """
    if path.suffix.lower() not in (SUFFIX, ".htm"):
        raise UsageError(f"{printable(path)} must be an HTML file; let its name end in {SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {printable(path.absolute().parent)}; create it first")
    if path.is_dir() or (not force and os.path.lexists(path) and not is_page(path, kind)):
        other = _kind(path)
        what = f"is a page of another command ({other})" if other else _NO_PAGE
        raise UsageError(
            f"{printable(path)} {what}; choose another name, or replace it with --force"
        )


def write(path: Path, page: Page) -> int:
    """Write a page atomically; returns its size in bytes.

    Raises:
        SetupError: the disk is full or the folder read-only.
    """
    data = page.html.encode(errors="replace")
    write_file(path, data)
    return len(data)


@functools.cache
def read(name: str) -> str:
    """A template, style sheet or script."""
    found = [folder / name for folder in FOLDERS if (folder / name).is_file()]
    return found[0].read_text(encoding="utf-8")


#: In the head of every page, with its kind: a newer page of this kind may replace it.
_GENERATOR = re.compile(rb'<meta name="generator" content="Hangtag (\w+)">')
_HEAD_BYTES = 4096


def is_page(path: Path, kind: Kind) -> bool:
    """Whether the file is a page of this kind."""
    return _kind(path) == kind


def _kind(path: Path) -> str | None:
    """The kind of a page; None if the file is no page."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            generator = _GENERATOR.search(file.read(_HEAD_BYTES))
    except OSError:
        return None
    return None if generator is None else generator[1].decode()


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "percent": formatting.percent,
        "decimals": formatting.share,
    }
    return environment


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
