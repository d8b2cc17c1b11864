"""Jobs of a model that only some workers can compute."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.ledger import heartbeats
from shared.registry import mirror_writer
from shared.registry.registry import Registry
from tests.support.jobs.scenario import Scenario
from tests.support.models import drawn_backbones, drawn_versions
from tests.support.models.drawn_networks import Drawn
from tests.support.processes import procfs
from tests.support.processes.fleet import wait_for

LITERT_APP = "tests.faults.apps.litert_worker"
ONNX_HINTS = "hangtag:3:classify:onnx"


@pytest.fixture
def stage(stage: Scenario, tmp_path: Path) -> Scenario:
    """With versions in Redis: of an ONNX file, `mine`, and of a head on one, `heads`."""
    registry = Registry(tmp_path / "models")
    drawn_versions.publish(registry, Drawn())
    drawn_backbones.publish(registry, "heads")
    mirror_writer.publish(stage.fleet.client, registry)
    return stage


@pytest.mark.parametrize("version", ["mine", "heads"])
def test_a_job_waits_for_a_worker_with_its_runtime_and_says_what_adds_it(
    stage: Scenario, version: str
) -> None:
    lacking = stage.fleet.worker(app=LITERT_APP)
    producer = stage.classify("--model", version)
    producer.wait_for_log(
        "no live worker has onnxruntime; add it to one with: pip install onnxruntime"
    )
    wait_for("hints", lambda: stage.fleet.client.llen(ONNX_HINTS))
    assert not stage.fleet.client.llen("hangtag:3:classify")
    stage.fleet.worker()
    assert producer.wait() == 0, producer.story

    def beats() -> dict[bool, heartbeats.Heartbeat]:
        return {beat.pid == lacking.pid: beat for beat in heartbeats.alive(stage.fleet.client)}

    # The last heartbeat may be older than the end of the job.
    wait_for("a heartbeat", lambda: beats()[False].images >= len(stage.gallery.paths))
    assert beats()[True].images == 0
    assert "onnx" in beats()[False].runtimes


def test_two_jobs_of_different_runtimes_have_the_same_bytes_after_a_kill(stage: Scenario) -> None:
    stage.fleet.worker()
    assert stage.classify("--model", "mine").wait() == 0
    expected = stage.output.read_bytes()
    stage.output.unlink()
    both, lacking = stage.fleet.worker(), stage.fleet.worker(app=LITERT_APP)
    other = stage.folder / "other.csv"
    first = stage.classify("--model", "mine", "--restart")
    second = stage.fleet.producer("classify", "pictures", "-o", str(other), cwd=stage.gallery.cwd)
    stage.reach_the_middle(first)
    for worker in (both, lacking):
        procfs.kill(worker.children[0])
    wait_for("the end", lambda: not first.running and not second.running)
    assert (first.wait(), second.wait()) == (0, 0), first.story + second.story
    assert stage.output.read_bytes() == expected
    stage.check_table(other.read_bytes())
