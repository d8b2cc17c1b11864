"""Faults of the server: outages, lost data, full memory, reset connections."""

from __future__ import annotations

import time

from tests.nemesis.faults.base import Fault

RESETS, RESET_EVERY_S = 5, 0.1
SQUEEZED_BYTES = 1 << 20  # less than it uses: every write is refused


class ServerKilled(Fault):
    """The server is killed and restarted empty."""

    kind = "server_killed"
    server_unreachable = True

    def start(self) -> None:
        self.scene.server.kill()

    def heal(self) -> None:
        self.scene.server.start()


class ServerRewound(Fault):
    """The server restarts from an earlier snapshot: the writes since then are lost."""

    kind = "server_rewound"
    server_unreachable = True
    _earlier = b""

    def start(self) -> None:
        self._earlier = self.scene.server.snapshot()

    def heal(self) -> None:
        self.scene.server.restart(self._earlier)


class ServerFrozen(Fault):
    kind = "server_frozen"
    server_unreachable = True

    def start(self) -> None:
        self.scene.server.freeze()

    def heal(self) -> None:
        self.scene.server.thaw()


class ServerEmptied(Fault):
    kind = "server_emptied"

    def start(self) -> None:
        self.scene.client.flushall()


class MemorySqueezed(Fault):
    kind = "memory_squeezed"
    server_unreachable = True

    def start(self) -> None:
        self.scene.server.limit_memory(SQUEEZED_BYTES)

    def heal(self) -> None:
        self.scene.server.limit_memory(0)


class ConnectionsReset(Fault):
    kind = "connections_reset"
    server_unreachable = True

    def start(self) -> None:
        for _ in range(RESETS):
            self.scene.client.client_kill_filter(_type="normal", skipme=True)
            time.sleep(RESET_EVERY_S)
