"""The manifests match the program: commands, settings, users, limits, exit codes."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest

from producer.cli.main import hangtag
from producer.machine.machine_resources import PROCESS_BYTES
from producer.machine.service import RETIRE_S
from producer.run.window import BATCHES_PER_CHILD, BATCHES_UNSEEN, MEMORY_SHARE_MAX
from shared.errors import Exit
from shared.settings import Settings
from tests.support.deploy import kustomize
from tests.support.deploy.kustomize import JOB, OVERLAYS, Object, Pod, named, pod, pods
from worker.requests.attempt import GRACE_S

MIB = 1 << 20
_UNITS = {"Mi": MIB, "Gi": 1 << 30, "mb": MIB}
#: The shutdown of Celery and of the container, after the wait.
SLACK_S = 15


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Object]:
    """A complete system, and the job that may run beside it."""
    return kustomize.build(request.param) + kustomize.build(JOB)


def ours(objects: list[Object]) -> list[Pod]:
    """The pods whose images are built here."""
    return [p for p in pods(objects) if p.container["image"].startswith("hangtag-")]


def test_commands_are_valid(overlay: list[Object]) -> None:
    for p in ours(overlay):
        assert "command" not in p.container  # the image's entry point: hangtag
        name, *arguments = p.container["args"]
        with click.Context(hangtag):
            hangtag.commands[name].make_context(
                name, arguments, parent=hangtag.make_context("hangtag", [name])
            )


def test_work_in_progress_is_finished_before_a_pod_is_killed(overlay: list[Object]) -> None:
    worker, trainer = pod(overlay, "worker"), pod(overlay, "trainer")
    assert worker.spec["terminationGracePeriodSeconds"] >= RETIRE_S
    assert worker.spec["terminationGracePeriodSeconds"] >= Settings().batch_limit_s + SLACK_S
    assert trainer.spec["terminationGracePeriodSeconds"] >= GRACE_S + SLACK_S


def test_workers_are_replaced_one_by_one_and_there_is_never_a_second_trainer() -> None:
    cluster = kustomize.build("overlays/cluster")
    rolling = named(cluster, "Deployment", "worker")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxUnavailable": 0, "maxSurge": 1}
    spec = named(cluster, "Deployment", "trainer")["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")


# Not with a GPU, whose memory counts as the process's.
@pytest.mark.parametrize("name", sorted({*OVERLAYS} - {"overlays/gpu"}))
def test_an_image_that_needs_too_much_memory_fails_its_row_and_not_the_pod(name: str) -> None:
    overlay = kustomize.build(name)
    worker = pod(overlay, "worker")
    allowed = Settings.from_env(worker.env(overlay)).child_memory_mb * MIB
    needed = children(worker) * (allowed + PROCESS_BYTES) + PROCESS_BYTES
    assert needed <= size(worker.container["resources"]["limits"]["memory"])


def test_the_server_has_enough_memory_and_evicts_nothing() -> None:
    server = pod(kustomize.build("overlays/cluster"), "redis")
    options = server_options(server)
    assert options["--maxmemory-policy"] == "noeviction"
    limit = size(server.container["resources"]["limits"]["memory"])
    assert limit >= 1.5 * size(options["--maxmemory"])
    assert (options["--save"], options["--appendonly"]) == ("", "no")


def test_keda_scales_the_workers_by_the_outstanding_batches() -> None:
    objects = kustomize.build("overlays/keda")
    spec = named(objects, "ScaledObject", "worker")["spec"]
    worker = named(objects, "Deployment", spec["scaleTargetRef"]["name"])
    assert "replicas" not in worker["spec"]  # or every apply would undo KEDA's number
    (trigger,) = spec["triggers"]
    assert int(trigger["metadata"]["targetValue"]) == children(pod(objects, "worker"))
    # A busy fleet has enough batches to grow; without workers a job has enough to start one.
    assert BATCHES_PER_CHILD > 1
    assert BATCHES_UNSEEN > 0
    assert "fallback" not in spec  # while Redis is unreachable the number stays


def test_the_most_workers_that_keda_starts_do_not_fill_the_server() -> None:
    objects = kustomize.build("overlays/keda")
    most = named(objects, "ScaledObject", "worker")["spec"]["maxReplicaCount"]
    batches = most * children(pod(objects, "worker")) * BATCHES_PER_CHILD
    room = MEMORY_SHARE_MAX * size(server_options(pod(objects, "redis"))["--maxmemory"])
    assert batches * Settings().batch_bytes <= room


def test_the_job_is_retried_only_after_transient_errors() -> None:
    spec = named(kustomize.build(JOB), "Job", "classify")["spec"]
    # Without this Kubernetes accepts no policy by exit codes.
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    ignored, failed = spec["podFailurePolicy"]["rules"]
    assert (ignored["action"], failed["action"]) == ("Ignore", "FailJob")
    final = set(failed["onExitCodes"]["values"])
    assert final == {Exit.USAGE, Exit.SOME_FAILED, Exit.BUDGET, Exit.CANCELLED}
    assert set(Exit) - final == {Exit.OK, Exit.SETUP, Exit.INTERRUPTED, Exit.NOT_PROVEN}


def test_a_gpu_pod_has_one_process_and_its_own_image() -> None:
    worker = pod(kustomize.build("overlays/gpu"), "worker")
    assert worker.container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert children(worker) == 1
    assert worker.container["image"].startswith("hangtag-worker-gpu:")


def children(worker: Pod) -> int:
    """The number of working processes in a pod."""
    args = worker.container["args"]
    return int(args[args.index("--concurrency") + 1])


def server_options(server: Pod) -> dict[str, Any]:
    """The server's options by name; the last one counts."""
    args = server.container["args"]
    return dict(zip(args[::2], args[1::2], strict=True))


def size(text: str) -> int:
    """Bytes of 512Mi, 3Gi or Redis' 512mb."""
    number, unit = re.fullmatch(r"(\d+)(\w\w)", text).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS[unit]
