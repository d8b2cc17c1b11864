"""The sentence for a path that is typed as a table, and is none that a job has written."""

from __future__ import annotations

import os
from pathlib import Path

from producer.journal.job_index import entries, is_reachable
from producer.journal.journal import journal_path
from producer.present.formatting import near


def no_table(table: Path) -> str:
    """What there is at this absolute path, which has no journal, and what to name instead."""
    if os.path.isdir(table):
        found = "is a folder"
    elif os.path.exists(table):
        found = f"has no journal ({journal_path(table).name}) beside it"
    else:
        found = "does not exist"
    return f"{near(str(table))} {found}; name a table that classify has written{_example(table)}"


def _example(table: Path) -> str:
    """The newest table with a journal, those in the same folder first."""
    known = [Path(entry.output) for entry in reversed(entries()) if is_reachable(entry)]
    here = sorted(known, key=lambda path: path.parent != table.parent)
    return f", for example {near(str(here[0]))}" if here else ""
