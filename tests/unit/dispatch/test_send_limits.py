"""The batches of a turn: up to the window, but one for workers that have none."""

from __future__ import annotations

from producer.dispatch.send_limits import SendLimits
from shared.runtimes import LITERT

BATCHES_UNSEEN = 4


def test_workers_without_a_batch_do_not_wait_for_several() -> None:
    limits = SendLimits(LITERT)
    assert len(list(limits.of_turn(under_way=0))) == 1
    assert len(list(limits.of_turn(under_way=1))) == BATCHES_UNSEEN - 1
    assert not list(limits.of_turn(under_way=BATCHES_UNSEEN))
