"""What a page waits for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from producer.labelling.desk import Desk
from shared.labels.labels_so_far import Decided
from shared.pipes.labelling import Counts, Page


def test_a_page_waits_for_a_head_since_the_decision_came_not_since_it_was_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, since = [100.0], list[float]()

    def decide(given: Mapping[int, Decided | None]) -> list[Any]:
        clock[0] += 5  # a slow disk
        return []

    def next_page(without: list[int], settled: bool, asked: float) -> Page:
        since.append(asked)
        return Page("end")

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    made = Desk(
        "photos", "f", 0, cast(Any, SimpleNamespace(stacks=[[0]])),
        cast(Any, SimpleNamespace(decide=decide, labels=[], of=lambda _: None, by_folders=int)),
        cast(Any, SimpleNamespace(
            decide=lambda _: None, next=next_page, counts=lambda _: Counts(1, 0, 0)
        )),
        cast(Any, None),
    )  # fmt: skip
    made.decide({0: None}, [])
    made.next()
    assert since == [100.0, 105.0]
    assert made.decide({0: None}, [], next_page=False).page is None
    assert len(since) == 2
