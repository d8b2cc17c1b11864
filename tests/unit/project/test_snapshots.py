"""What people read at the prompt is in one file, and that file is current."""

from __future__ import annotations

import difflib

from tests.support.terminal.snapshots import FILE, snapshots


def test_the_file_of_helps_and_answers_is_current() -> None:
    before, now = FILE.read_text(encoding="utf-8").splitlines(), snapshots().splitlines()
    changed = list(difflib.unified_diff(before, now, "docs/at-the-prompt.txt", "now", lineterm=""))
    assert not changed, "\n".join(["renew it with: make snapshots", *changed])


def test_help_and_answers_fit_80_columns() -> None:
    """Except error messages, which wrap between words, and the trainer's sentences."""
    narrow, wide = [], False
    for line in FILE.read_text(encoding="utf-8").splitlines():
        wide = line.startswith("-- ") or (wide and not line.startswith("===="))
        if not wide:
            narrow.append(line)
    assert len(narrow) > 800
    assert max(map(len, narrow)) <= 95  # the head of the file
    assert [line for line in narrow[3:] if len(line) > 80] == []
