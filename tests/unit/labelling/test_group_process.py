"""The process that groups images: what is reported if it cannot run, or ends."""

from __future__ import annotations

import pytest

from producer.labelling import group_process
from shared import installation
from shared.errors import SetupError
from shared.pipes.labelling import FindGroups, Groups


def test_a_process_that_ends_is_reported_with_the_command_that_shows_why() -> None:
    with pytest.raises(SetupError, match=r"ends; this shows why: .* -m worker\.labelling"):
        group_process.found(FindGroups(b"no features"), Groups)


def test_a_package_that_is_missing_is_named_before_any_process_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation, "absent", lambda asked: ["numpy"])
    with pytest.raises(SetupError, match="images cannot be grouped: numpy is missing"):
        group_process.check_installed()
