"""Rewrites the blocks of the pages that show figures of `make bench`, and nothing else in them.

A block is between `<!-- bench:NAME -->` and `<!-- /bench -->`; `blocks.BLOCKS` has the names.
`python -m benchmarks.report.pages` writes them again from the recorded run.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.environment.paths import ROOT
from benchmarks.report import record
from benchmarks.report.blocks import BLOCKS
from benchmarks.report.record import Record

PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md", *sorted(ROOT.glob("docs/*.md")))
_BLOCK = re.compile(
    r"^<!-- bench:(?P<name>\S+) -->\n(?P<content>.*?)^<!-- /bench -->$", re.MULTILINE | re.DOTALL
)


def main() -> None:
    """Write the blocks from the recorded run."""
    for page in write(record.read()):
        print(f"wrote {page.relative_to(ROOT)}")


def write(found: Record) -> list[Path]:
    """Write the blocks; return the pages that have changed."""
    changed = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = rewritten(text, found)
        if new != text:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed


def names(text: str) -> list[str]:
    """The names of a page's blocks."""
    return [match["name"] for match in _BLOCK.finditer(text)]


def rewritten(text: str, found: Record) -> str:
    """The page with the content of each block replaced.

    Raises:
        KeyError: a block has an unknown name.
    """
    return _BLOCK.sub(lambda match: _block(match["name"], found), text)


def _block(name: str, found: Record) -> str:
    return f"<!-- bench:{name} -->\n{BLOCKS[name](found)}\n<!-- /bench -->"


if __name__ == "__main__":
    main()
