"""What a sort has done, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from producer.present.formatting import counted, near, typed
from producer.present.text_table import columns
from shared.errors import Exit
from shared.labels.class_folders import FLAGGED, RESERVED, UNKNOWN

_FILES = {"copy": "copied image", "link": "linked image", "move": "moved image"}
_DONE = {"copy": "copied", "link": "linked", "move": "moved", "": "taken back"}


class Sorted(msgspec.Struct, frozen=True):
    """What was done, or would be done."""

    out: str
    way: str  #: copy, link, move; empty: the files were taken back
    folders: dict[str, int]  #: number of files by folder, with those that were there already
    stay: dict[str, int]  #: number of files that stay where they are, by reason
    first: dict[str, str]  #: one of them for each reason
    there: int = 0  #: number of files that were in their folder already
    dry_run: bool = False
    examples: list[tuple[str, str]] = []  #: source and place of the first files of a dry run
    outdated: bool = False  #: the table lacks corrections that were decided since

    @property
    def count(self) -> int:
        """The number of files."""
        return sum(self.folders.values())

    @property
    def exit_code(self) -> Exit:
        """3 if files stay where they are."""
        return Exit.SOME_FAILED if self.stay else Exit.OK


def result_lines(result: Sorted) -> Iterator[str]:
    """Files by folder, the first places of a dry run, the total."""
    by_name = sorted(result.folders.items(), key=lambda item: (item[0] in RESERVED, item[0]))
    rows = [[f"{name}/", f"{count:,}"] for name, count in by_name]
    if rows:
        yield from columns(["folder", "images"], rows, {"folder"})
    for source, place in result.examples:
        yield f"{near(source)} -> {near(place)}"
    would = "would be " if result.dry_run else ""
    where = f"{'into' if result.way else 'from'} {near(result.out)}"
    there = f"; already there: {result.there:,}" if result.there else ""
    count = result.count - result.there
    yield f"{counted(count, 'image')} {would}{_DONE[result.way]} {where}{there}"


def remark_lines(result: Sorted) -> Iterator[str]:
    """Which files stay where they are, and whether the table lacks corrections."""
    if result.outdated:
        yield (
            "corrections that were decided since the table was written were not used; take them "
            "into it with hangtag table"
        )
    for reason, count in result.stay.items():
        first = near(result.first[reason])
        yield f"{counted(count, 'image')} not {_DONE[result.way]}, {reason}: {first}"


def next_lines(result: Sorted, table: Path | None) -> Iterator[str]:
    """What to do next."""
    if result.dry_run:
        yield "nothing was written; to do it, leave out --dry-run"
    elif result.way and result.count > result.there:  # else this command has put none there
        undo = undo_command(near(result.out))
        files = counted(result.count - result.there, _FILES[result.way])
        yield f"take the {files} back with: {undo}"
        unnamed = [result.folders.get(folder, 0) for folder in (UNKNOWN, FLAGGED)]
        if table is not None and any(unnamed):
            review, render = (typed(["hangtag", do, str(table)]) for do in ("review", "table"))
            yield f"name the {sum(unnamed):,} in unknown/ and flagged/ with: {review}"
            yield f"then undo, and sort again after: {render}"


def undo_command(out: Path | str) -> str:
    """What takes the files of a folder back, as it is typed."""
    return typed(["hangtag", "sort", "--undo", str(out)])
