"""Kind of fault -> its class."""

from __future__ import annotations

from tests.nemesis.faults.base import Fault
from tests.nemesis.faults.machine import DiskFull, LinkDown
from tests.nemesis.faults.producer import ProducerAsleep, ProducerInterrupted, ProducerKilled
from tests.nemesis.faults.server import (
    ConnectionsReset,
    MemorySqueezed,
    ServerEmptied,
    ServerFrozen,
    ServerKilled,
    ServerRewound,
)
from tests.nemesis.faults.trainer import TrainerAsleep, TrainerChildKilled, TrainerKilled
from tests.nemesis.faults.worker import (
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
