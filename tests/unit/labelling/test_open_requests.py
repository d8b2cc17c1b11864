"""The same command follows its own open request, and no other one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from producer.labelling import folder_request
from producer.requests.client import user_name
from producer.requests.open_requests import ELSEWHERE
from shared.messages.requests import ComputeFeatures
from shared.settings import Settings

WORK = ComputeFeatures("/photos")


class Open(msgspec.Struct):
    request: str = "mine"
    work: Any = WORK
    who: str = user_name()
    state: str = "running"


@pytest.mark.parametrize(
    ("other", "followed"),
    [
        ({}, "mine"),
        ({"work": ComputeFeatures("/other")}, ""),
        ({"who": "bob"}, ""),
        ({"state": ELSEWHERE}, ""),
    ],
)
def test_only_the_same_request_of_this_user_is_followed(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], followed: str
) -> None:
    monkeypatch.setattr(folder_request, "open_requests", lambda _: [Open(**other)])
    assert folder_request._open_request(Settings(), WORK) == followed
