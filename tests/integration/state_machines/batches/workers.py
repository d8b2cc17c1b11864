"""Pool children of the workers, each busy with one batch or idle."""

from __future__ import annotations

from dataclasses import dataclass

from shared.image_status import Status
from tests.integration.state_machines.batches.files import correct_result, is_poison


@dataclass
class Work:
    """The batch that a child works on."""

    batch: int
    images: list[bytes | Status]
    careful: bool
    blamed: frozenset[int]
    index: int = 0

    @property
    def kills(self) -> bool:
        """Whether this work kills the process that does it."""
        return any(is_poison(img) for i, img in enumerate(self.images) if i not in self.blamed)

    @property
    def result(self) -> bytes:
        return correct_result(
            [Status.CRASHED if i in self.blamed else img for i, img in enumerate(self.images)]
        )


@dataclass
class Child:
    """One process of a worker's pool."""

    parent: str
    pid: int
    work: Work | None = None

    @property
    def id(self) -> str:
        return f"{self.pid}:{7 * self.pid}"

    @property
    def owner(self) -> str:
        return f"{self.parent}/{self.id}"
