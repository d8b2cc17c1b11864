"""One row, of those that a page or a comparison picks out of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.image_status import Flag, Status
from shared.messages.files import Stamp


class Row(NamedTuple):
    """One row of a table."""

    number: int  #: in the table, the first is 1
    name: bytes
    stamp: Stamp
    digest: bytes  #: CRC-32 of the file's bytes; empty if unknown
    status: Status
    flag: Flag
    labels: tuple[int, ...]  #: indices of the card's labels, the most probable first
    confidences: tuple[float, ...]
    person: str  #: the label that a person gave it; empty: none

    @property
    def has_failed(self) -> bool:
        return self.status is not Status.OK

    @property
    def label(self) -> int:
        """The model's."""
        return self.labels[0]

    @property
    def confidence(self) -> float:
        return self.confidences[0]

    def named(self, names: Sequence[str]) -> list[tuple[str, float]]:
        """Its labels by name with their confidences, the most probable first."""
        return [(names[i], p) for i, p in zip(self.labels, self.confidences, strict=True)]
