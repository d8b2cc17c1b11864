"""What one benchmark writes into a page: a section of RESULTS.md, or blocks between
`<!-- KIND:NAME -->` and `<!-- /KIND -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.environment.paths import ROOT

RESULTS = ROOT / "benchmarks" / "RESULTS.md"


def write_blocks(kind: str, blocks: Mapping[str, str], to: Path = RESULTS) -> None:
    """Replace the blocks of a page. It need not have all of them."""
    page = to.read_text(encoding="utf-8")
    for name, block in blocks.items():
        place = re.compile(rf"(?<=<!-- {kind}:{name} -->\n).*?(?=<!-- /{kind} -->)", re.DOTALL)
        if place.search(page):
            before, after = place.split(page, maxsplit=1)
            page = f"{before}{block}\n{after}"
    to.write_text(page, encoding="utf-8")


def write_section(text: str) -> None:
    """Replace the section of RESULTS.md with the heading of this text, or add it at the end."""
    page, heading = RESULTS.read_text(encoding="utf-8"), text.partition("\n")[0]
    old = re.search(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    if old is None:
        page = f"{page.rstrip()}\n\n{text}"
    else:
        rest = page[old.end() :]
        page = page[: old.start()] + text + ("\n" if rest else "") + rest
    RESULTS.write_text(page, encoding="utf-8")
