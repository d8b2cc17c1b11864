"""What a sort has done, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from producer.present.formatting import counted, near, typed
from producer.present.text_table import columns
from shared.errors import Exit
from shared.labels.class_folders import RESERVED

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
    unproven: bool = False  #: the folder's log had no checksums

    @property
    def count(self) -> int:
        """The number of files."""
        return sum(self.folders.values())

    @property
    def exit_code(self) -> Exit:
        """3 if files stay where they are."""
        return Exit.SOME_FAILED if self.stay else Exit.OK


def result_lines(found: Sorted) -> Iterator[str]:
    """Files by folder, the first places of a dry run, the total."""
    by_name = sorted(found.folders.items(), key=lambda item: (item[0] in RESERVED, item[0]))
    rows = [[f"{name}/", f"{count:,}"] for name, count in by_name]
    if rows:
        yield from columns(["folder", "images"], rows, {"folder"})
    for source, place in found.examples:
        yield f"{near(source)} -> {near(place)}"
    would = "would be " if found.dry_run else ""
    where = f"{'into' if found.way else 'from'} {near(found.out)}"
    there = f"; already there: {found.there:,}" if found.there else ""
    count = found.count - found.there
    yield f"{counted(count, 'image')} {would}{_DONE[found.way]} {where}{there}"


def remark_lines(found: Sorted) -> Iterator[str]:
    """Which files stay where they are, and whether the log was believed without proof."""
    if found.unproven:
        yield (
            f"the log of {near(found.out)} is of an earlier version and had no checksums: damage "
            "in it would not have been noticed"
        )
    for reason, count in found.stay.items():
        first = near(found.first[reason])
        yield f"{counted(count, 'image')} not {_DONE[found.way]}, {reason}: {first}"


def next_lines(found: Sorted) -> Iterator[str]:
    """What to do next."""
    if found.way and found.count > found.there and not found.dry_run:
        yield f"take them back with: {undo_command(near(found.out))}"
    elif found.dry_run:
        yield "nothing was written; to do it, leave out --dry-run"


def undo_command(out: Path | str) -> str:
    """What takes the files of a folder back, as it is typed."""
    return typed(["hangtag", "sort", "--undo", str(out)])
