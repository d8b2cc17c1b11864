"""The figures of a request that waits or works."""

from __future__ import annotations

from producer.requests.existing import OpenRequest, table
from producer.requests.request_display import RequestMeter, ahead_text
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.requests import Progress, Promote, Request

REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)


def test_nothing_that_others_say_of_a_request_controls_the_terminal() -> None:
    foreign = "\x1b]0;title\x07\n"
    now = Progress(f"{foreign}stage", part=f"{foreign}part")
    work = Promote(f"{foreign}shoes@2")
    row = OpenRequest(f"{foreign}r1", "running", work, f"{foreign}ann", 1.0, now)
    meter = RequestMeter()
    view = RequestView(REQUEST, RequestState.RUNNING, progress=now)
    lines = [*meter.note(view), meter.figures().plain(), *meter.figures().live(200), *table([row])]
    ahead = RequestView(Request("r0", work, "ann", 1.0), RequestState.RUNNING, progress=now)
    for line in (*lines, ahead_text(ahead)):
        assert foreign not in line
