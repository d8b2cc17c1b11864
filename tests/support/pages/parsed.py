"""What an HTML page consists of, for tests that nothing foreign in it runs or is fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

#: Attributes that make a browser fetch or open something.
_ADDRESSES = {"src", "href", "srcset", "action", "data", "poster", "background", "formaction"}


class Parsed(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._inside = ""
        self._contents: dict[str, list[str]] = {"style": [], "script": []}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in self._contents:
            self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._contents[self._inside].append(data)
        else:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def policy(self) -> dict[str, str]:
        """The content security policy by directive."""
        (policy,) = [
            meta["content"]
            for meta in self.all("meta")
            if meta.get("http-equiv") == "Content-Security-Policy"
        ]
        parts = [part.strip().partition(" ") for part in policy.split(";")]
        return {name: value for name, _, value in parts}

    def check_harmless(self) -> None:
        """Nothing runs but the page's own script, and nothing is fetched."""
        assert {tag for tag, _ in self.elements} & {
            "iframe",
            "object",
            "embed",
            "link",
            "base",
        } == set()
        for tag, attributes in self.elements:
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                assert name != "style", tag
                if name in _ADDRESSES:
                    assert re.match(r"#|data:image/webp;base64,[A-Za-z0-9+/=]+\Z", value), (
                        tag,
                        value,
                    )
        assert len(self.all("script")) == len(self.all("style")) == 1
        policy = self.policy
        assert policy["default-src"] == "'none'"
        for tag in ("style", "script"):
            (content,) = self._contents[tag]
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
        assert policy["img-src"] == "data:"
