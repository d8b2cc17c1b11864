"""The process behind the page gets one order at a time, whatever several tabs ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from producer.machine.helper import Helper
from producer.people.learner import Learner
from shared.messages.labelling import Count, Counts, NextPage, Noted, Page


def test_the_process_gets_one_order_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = list[object]()

    def slow(_: Helper, order: object = None) -> object:
        inside.append(order)
        time.sleep(0.002)
        assert len(inside) == 1
        inside.clear()
        replies: dict[type, object] = {NextPage: Page("end"), Count: Counts(1, 0, 0)}
        return replies.get(type(order), Noted())

    monkeypatch.setattr(Helper, "ask", slow)
    monkeypatch.setattr(Helper, "close", slow)
    learner = Learner(b"")
    uses: list[Callable[[], object]] = [
        lambda: learner.decide({}),
        lambda: learner.suggest({}),
        lambda: learner.next([], False, 0.0),
        lambda: learner.ask(Count(), Counts),
        learner.close,
    ]
    with ThreadPoolExecutor(len(uses)) as tabs:
        list(tabs.map(lambda use: use(), uses * 8))
