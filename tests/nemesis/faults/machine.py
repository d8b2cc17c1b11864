"""Faults of the machine: its disk is full, a cable is pulled out. Both need root."""

from __future__ import annotations

from tests.nemesis.faults.base import Fault, NotNow


class DiskFull(Fault):
    """The journal's, and the table's."""

    kind = "disk_full"

    def begin(self) -> None:
        if self.scene.disk is None:
            raise NotNow("no small disk can be mounted here")
        self.scene.disk.fill()

    def heal(self) -> None:
        assert self.scene.disk is not None
        self.scene.disk.free()


class LinkDown(Fault):
    """Somebody's cable is pulled out: a worker's, the trainer's or the producer's."""

    kind = "link_down"

    def begin(self) -> None:
        places = [(slot.name, slot.pair) for slot in self.scene.slots]
        places.append(("producer", self.scene.producer_pair))
        self.who, self._pair = places[self.victim % len(places)]
        self.server_away = self.who == "producer"
        if self._pair is None:
            raise NotNow("no networks can be made here")
        self._pair.down()

    def heal(self) -> None:
        assert self._pair is not None
        self._pair.up()
