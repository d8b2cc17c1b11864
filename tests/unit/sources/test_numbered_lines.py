"""A line of a list is found by its number, however long the list is, in any order."""

from __future__ import annotations

import io
import random

import pytest

from producer.sources.lists.numbered_lines import STEP_LINES, NumberedLines


@pytest.mark.parametrize(("separator", "end"), [(b"\n", b"\r\n"), (b"\0", b"\0")])
def test_any_line_is_found_by_its_number(separator: bytes, end: bytes) -> None:
    count = 5 * STEP_LINES + 7
    lines = [b"%d-%s" % (n, b"x" * (n % 97)) for n in range(count)]
    lines[3] = b""  # an empty line has a number, too
    data = end.join(lines)
    numbered = NumberedLines(lambda: io.BytesIO(data), separator)
    order = [*range(0, 40), count - 1, 0, *random.Random(1).sample(range(count), 60), count]
    found = [numbered.line(n) for n in order]
    assert found == [lines[n] if n < count else None for n in order]
