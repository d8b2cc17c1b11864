"""On a narrow terminal no command breaks a line inside a word."""

from __future__ import annotations

import click
import pytest

from producer.cli import options
from producer.fleet import workers
from producer.present import text_table
from shared import keys
from shared.ledger.heartbeats import Heartbeat

PROMOTION = (
    "garments@production is version 3 now; before: version 2; it is better by 1.9 points on 570 "
    "held-out images, more than one standard error of 0.8"
)


@pytest.mark.parametrize("room", [60, 80])
def test_an_answer_is_wrapped_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    monkeypatch.setattr(options, "columns_of", lambda stream: room)
    options.print_answer(None, [PROMOTION], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines) == PROMOTION
    assert max(map(len, lines)) <= room


@pytest.mark.parametrize("room", [60, 80])
def test_the_workers_fit(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    beat = Heartbeat(
        id="x", host="machine-with-a-long-name", pid=1234567, queue=keys.CLASSIFY_QUEUE,
        children=["1"] * 16, versions=["garments@12", "fashion-mnist@0"], images=12_345_678,
        rate=12_345.0, memory_bytes=12_000_000_000, at_ms=1, since_ms=1,
        failures={"unreadable": 1_234}, idle=[],
    )  # fmt: skip
    monkeypatch.setattr(text_table, "columns_of", lambda stream: room)
    lines = [click.unstyle(line) for line in workers.table([beat], 90.0)]
    assert max(map(len, lines)) <= room, lines
    assert all(word in lines[0] for word in ("host", "processes", "images/s"))
