"""A training that cannot continue from its checkpoint starts over."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.messages.replies import Trained
from shared.messages.requests import Request
from shared.messages.training import Train
from shared.settings import Settings
from tests.support.jobs import stored_requests
from tests.support.processes.trainers import draw_classes
from tests.support.servers.redis_server import RedisServer
from worker.requests.runner import ANSWERED, RequestRunner
from worker.requests.trainer_state import LongWork, ShutdownNotice


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_training_starts_over_from_a_checkpoint_of_another_hangtag(
    server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from worker.evaluation.metrics import Epoch
    from worker.requests.train import STATE  # slow to import, and collected by every process
    from worker.train.checkpoint import Checkpoint

    settings = Settings(store=str(tmp_path / "store"), redis_url=server.url)
    data = draw_classes(tmp_path / "shapes")
    work = Train("shapes", "tutorial", str(data), 1, precision="fp32")
    folder = stored_requests.keep(settings.store_path, Request("one", work, "me@here", 1.0))
    folder.work.mkdir()
    epoch = Epoch(1, 0.9, 0.6, 0.8, 0.7, 12.5)
    Checkpoint(folder.work / STATE, "another format", []).add(epoch)
    trainer = RequestRunner(settings, server.client, "here", ShutdownNotice(), LongWork())
    assert trainer.take("one") == ANSWERED
    outcome = folder.outcome()
    assert outcome is not None
    assert outcome.ok, outcome.error
    assert outcome.decode(Trained).model == "shapes@1"
    assert "starts over" in caplog.text
