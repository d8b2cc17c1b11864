"""Starts any part of Hangtag with a server that denies access, and checks its one-line error."""

from __future__ import annotations

import re
from pathlib import Path

from shared.errors import Exit
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes.fleet import Fleet, Process

APPS = {"worker": "worker.app", "trainer": "worker.trainer"}
COMMANDS: dict[str, tuple[str, ...]] = {
    "classify": ("classify", FOLDER, "-o", "OUT"),
    "status": ("status",),
    "workers": ("workers",),
    "metrics": ("metrics", "--port", "0"),
    "predict": ("predict", "IMAGE"),
    "train": ("train", "--recipe", "tutorial"),
    "models list": ("models", "list"),
    "hangtag worker": ("worker",),
    "hangtag worker train": ("worker", "--queue", "train"),
}
PARTS = [*APPS, *COMMANDS]


class Scene:
    """Starts any part of Hangtag for a broker."""

    def __init__(self, fleet: Fleet, pictures: Gallery, folder: Path) -> None:
        self.fleet, self.pictures, self.folder = fleet, pictures, folder

    def start(self, part: str, **settings: str) -> Process:
        """A worker, a trainer, or a command."""
        if part in APPS:
            return self.fleet.worker(1, APPS[part], ready=False, **settings)
        names = {"OUT": str(self.folder / "out.csv"), "IMAGE": self.pictures.paths[0]}
        words = [names.get(word, word) for word in COMMANDS[part]]
        return self.fleet.producer(*words, cwd=self.pictures.cwd, **settings)

    def check_refused(self, part: str, why: str, *secrets: str, **settings: str) -> None:
        """Check that a part ends with code 1 and one line of reason, without secrets."""
        process = self.start(part, **settings)
        assert process.wait(30) == Exit.SETUP, process.story
        reasons = [line for line in process.log.splitlines() if re.search(why, line)]
        assert len(reasons) == 1, process.story
        assert reasons[0].startswith("hangtag: "), reasons
        assert "Traceback" not in process.log
        for secret in secrets:
            assert secret not in process.log + process.out
