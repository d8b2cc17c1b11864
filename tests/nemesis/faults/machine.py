"""Faults of the machine: a full disk, a broken network link. Both need root."""

from __future__ import annotations

from tests.nemesis.faults.base import Fault, NotNow


class DiskFull(Fault):
    """The disk of the journal and the table is full."""

    kind = "disk_full"

    def start(self) -> None:
        if self.scene.disk is None:
            raise NotNow("no small disk can be mounted here")
        self.scene.disk.fill()

    def heal(self) -> None:
        assert self.scene.disk is not None
        self.scene.disk.free()


class LinkDown(Fault):
    """The network link of a worker, the trainer or the producer is down."""

    kind = "link_down"

    def start(self) -> None:
        places = [(slot.name, slot.pair) for slot in self.scene.slots]
        places.append(("producer", self.scene.producer_pair))
        self.detail, self._pair = places[self.victim % len(places)]
        self.server_unreachable = self.detail == "producer"
        if self._pair is None:
            raise NotNow("no network namespaces can be made here")
        self._pair.down()

    def heal(self) -> None:
        assert self._pair is not None
        self._pair.up()
