"""The nemesis: every fault by its kind."""

from __future__ import annotations

from tests.nemesis.fault import Fault
from tests.nemesis.on_machine import DiskFull, LinkDown
from tests.nemesis.on_producer import ProducerAsleep, ProducerInterrupted, ProducerKilled
from tests.nemesis.on_server import (
    ConnectionsReset,
    MemorySqueezed,
    ServerEmptied,
    ServerFrozen,
    ServerKilled,
    ServerRewound,
)
from tests.nemesis.on_trainer import TrainerAsleep, TrainerChildKilled, TrainerKilled
from tests.nemesis.on_workers import (
    ChildAsleep,
    ChildKilled,
    WorkerAsleep,
    WorkerEnded,
    WorkerKilled,
)

FAULTS: dict[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        *(ChildKilled, ChildAsleep, WorkerKilled, WorkerAsleep, WorkerEnded),
        *(ProducerKilled, ProducerInterrupted, ProducerAsleep),
        *(ServerKilled, ServerRewound, ServerFrozen, ServerEmptied),
        *(MemorySqueezed, ConnectionsReset),
        *(TrainerKilled, TrainerChildKilled, TrainerAsleep),
        *(DiskFull, LinkDown),
    )
}
