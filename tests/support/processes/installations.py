"""A second installation of Hangtag: a separate environment without some packages."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

from shared.installation import DRAW_PACKAGES, TENSORFLOW_PACKAGES
from tests.support.processes.fleet import ROOT

LIMIT_S = 120
TRAINING = DRAW_PACKAGES | TENSORFLOW_PACKAGES


class Installation:
    """An environment in `folder` with links to this one's packages, without those of `absent`."""

    def __init__(self, folder: Path, absent: Mapping[str, str] = TRAINING) -> None:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        self.python = folder / "bin/python"
        paths = {"base": str(folder), "platbase": str(folder)}
        place = Path(sysconfig.get_path("purelib", "venv", vars=paths))
        excluded = _files(absent)
        for path in map(Path, dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib")))):
            for entry in path.iterdir():
                if entry.name not in excluded and not (place / entry.name).exists():
                    (place / entry.name).symlink_to(entry)
        (place / "checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")

    def hangtag(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `hangtag ARGUMENTS` of this installation to its end."""
        return subprocess.run(
            [self.python, "-m", "producer.cli", *arguments],
            env={**os.environ, **(env or {})},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )


def _files(packages: Mapping[str, str]) -> set[str]:
    """The entries of site-packages that belong to these packages."""
    found = {"_editable_impl_hangtag.pth", *packages}  # the checkout under test is added instead
    for pip in packages.values():
        name = re.sub(r"[-_.]+", "_", pip)
        found.add(f"{name}-{importlib.metadata.version(pip)}.dist-info")
    return found
