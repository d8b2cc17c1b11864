"""Simulated hosts: each with its own files, its own hostname and one cable to the server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.support.machine.network_namespaces import Network
from tests.support.processes.fleet import ROOT
from tests.support.processes.host_process import OWN

HOME = "/tmp/home"


class Host:
    """One host. Of the folders that programs write to, it shares only those in `shared_folders`
    with the test, and none with other hosts.

    `settings` are the environment variables for programs there.
    """

    def __init__(self, network: Network, name: str, shared_folders: Sequence[Path] = ()) -> None:
        self.name, self.site = name, network.site()
        command = [sys.executable, "-m", "tests.support.processes.host_process", name, HOME, "--"]
        with self.site.entered():
            self._keeper = subprocess.Popen(
                [*command, *map(str, [*_program(), *shared_folders])],
                stdout=subprocess.PIPE, cwd=ROOT, text=True,
            )  # fmt: skip
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n", f"{name} did not start"
        self.settings = {"HOME": HOME} | {f"XDG_{k}_HOME": f"{HOME}/{k}" for k in ("STATE", "DATA")}

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._keeper.kill()
        self._keeper.communicate()

    def prefix(self, cwd: Path) -> list[str]:
        """The prefix of a command that runs it there, in that folder."""
        enter = ["nsenter", f"--target={self._keeper.pid}", "--net", "--mount", "--uts"]
        return [*enter, f"--wdns={cwd}", "--"]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        whole = [*self.prefix(Path(HOME)), *command]
        return subprocess.run(whole, capture_output=True, text=True)

    def sees(self, path: Path) -> bool:
        """Whether this path exists there."""
        return self.run("test", "-e", str(path)).returncode == 0


def _program() -> list[Path]:
    """The folders of Hangtag and Python that the host's own mounts would hide."""
    folders = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
    return [folder for folder in folders if str(folder).startswith(tuple(f"{o}/" for o in OWN))]
