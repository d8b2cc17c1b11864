"""The check after the crash tests knows each crash point, and which of them have fired."""

from __future__ import annotations

from tests.support.failpoints.fired import points


def test_a_failpoint_is_in_one_place() -> None:
    assert [name for name, count in points().items() if count > 1] == []
