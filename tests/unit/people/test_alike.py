"""Groups of alike images: what is reported if the process that groups them ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from producer.people import alike
from shared.errors import SetupError
from shared.messages.replies import FolderFeatures, encode_features
from shared.settings import Settings


def test_a_process_that_ends_is_reported_with_the_command_that_shows_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damaged = FolderFeatures(b"/p", [b"/p/1"], bytes(32), 0, b"", b"\0" * 4, [], b"")
    answer = SimpleNamespace(unreadable=0), encode_features(damaged)
    monkeypatch.setattr(alike, "computed", lambda *given: answer)
    with pytest.raises(SetupError, match=r"ends; this shows why: .* -m worker\.labelling"):
        alike.groups(Settings(), "/p")
