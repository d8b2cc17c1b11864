"""The figures of a request that waits or works."""

from __future__ import annotations

from producer.requests.request_meter import RequestMeter
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import Progress, Promote, Request

REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)
AHEAD = "request r0 is ahead, 2:10 min left"


def test_a_log_and_a_terminal_have_what_a_request_waits_for_instead_of_its_stage() -> None:
    meter = RequestMeter()
    progress = Progress("loading", step=3, steps=9)
    list(meter.note(RequestView(REQUEST, RequestState.RUNNING, "vm/1", 1, progress, None)))
    assert "3 of 9" in meter.plain()
    assert "loading" in " ".join(meter.live(80, blocks=False))
    meter.ahead = AHEAD
    assert meter.plain() == AHEAD
    assert meter.live(80, blocks=False) == [AHEAD]
