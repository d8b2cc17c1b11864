"""The files of a page: its own, those that all local pages share, and the colours of reports."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

from producer.pages.page import PALETTE, read

_SHARED = ("page.css", "page.js", "zoom.js", "icon.svg")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """A file that a page loads."""

    content: str
    media_type: str


class PageFiles(NamedTuple):
    """A page, and the files that it loads, by name."""

    html: str
    assets: dict[str, Asset]


def of_page(package: str, page: str, *names: str) -> PageFiles:
    """These files in the folder `assets` of a package, and the shared ones."""
    own = {name: _asset(package, name) for name in names}
    shared = {name: _asset("producer.people", name) for name in _SHARED}
    shared[PALETTE] = Asset(read(PALETTE), "text/css")
    return PageFiles(_read(package, page), own | shared)


def _asset(package: str, name: str) -> Asset:
    return Asset(_read(package, name), _TYPES[name[name.rindex(".") :]])


def _read(package: str, name: str) -> str:
    return (resources.files(package) / "assets" / name).read_text(encoding="utf-8")
