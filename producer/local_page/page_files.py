"""The files of a page: its own, and the style sheet and icon that all pages share."""

from __future__ import annotations

from importlib import resources

from producer.local_page.replies import Asset

_SHARED = ("page.css", "icon.svg")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def read(package: str, name: str) -> str:
    """The text of a file in the folder `assets` of a package."""
    return (resources.files(package) / "assets" / name).read_text(encoding="utf-8")


def of_page(package: str, *names: str) -> dict[str, Asset]:
    """These files of a package, and the shared ones, by name."""
    own = {name: _asset(package, name) for name in names}
    return own | {name: _asset("producer.local_page", name) for name in _SHARED}


def _asset(package: str, name: str) -> Asset:
    return Asset(read(package, name), _TYPES[name[name.rindex(".") :]])
