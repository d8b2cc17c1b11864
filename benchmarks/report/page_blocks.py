"""Blocks of a page that one benchmark writes: between `<!-- KIND:NAME -->` and `<!-- /KIND -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping


def written(page: str, kind: str, blocks: Mapping[str, str]) -> str:
    """The page with its blocks replaced. It need not have all of them."""
    for name, block in blocks.items():
        place = re.compile(rf"(?<=<!-- {kind}:{name} -->\n).*?(?=<!-- /{kind} -->)", re.DOTALL)
        if place.search(page):
            before, after = place.split(page, maxsplit=1)
            page = f"{before}{block}\n{after}"
    return page
