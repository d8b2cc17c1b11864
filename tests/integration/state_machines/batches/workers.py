"""Who works: children of worker parents, each with a batch in hand or none."""

from __future__ import annotations

from dataclasses import dataclass

from shared.image_status import Status
from tests.integration.state_machines.batches.files import answer, is_poison


@dataclass
class Work:
    """What a child has in hand."""

    batch: int
    images: list[bytes | Status]
    careful: bool
    convicted: frozenset[int]
    index: int = 0

    @property
    def kills(self) -> bool:
        """Whether whoever does this work dies of it."""
        return any(is_poison(img) for i, img in enumerate(self.images) if i not in self.convicted)

    @property
    def result(self) -> bytes:
        """What comes of it."""
        return answer(
            [Status.CRASHED if i in self.convicted else img for i, img in enumerate(self.images)]
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
