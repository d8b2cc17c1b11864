"""An installation whose packaged version is 80 times as fast as the one that ships.

For tests whose subject is not the model: the network is the tutorial's, untrained. The rest of the
installation is a copy of this checkout, so processes that have it first on PYTHONPATH differ only
in the folder `shared/registry/packaged_model`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from shared.messages.model_card import Card, encode_card
from shared.registry import packaged as pretrained

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "build" / "light"
RECIPE, SEED = "tutorial", 1
#: Links suffice for the last two, which do not use the path of their own folder.
COPIED, LINKED = ("hangtag", "producer", "worker", "shared"), ("tests", "benchmarks")
#: The sources that the files depend on.
SOURCES = (
    "worker/graphs/convert.py",
    "worker/graphs/export.py",
    "worker/train/networks.py",
    "shared/recipes.py",
    "constraints.txt",
    "shared/messages/model_card.py",
    "shared/registry/packaged_model/card.json",
    "tests/support/processes/light_installation.py",
)


def installation(folder: Path) -> Path:
    """Create an installation in this empty folder, for PYTHONPATH."""
    for package in LINKED:
        (folder / package).symlink_to(ROOT / package)
    for package in COPIED:  # including compiled files
        shutil.copytree(ROOT / package, folder / package, ignore=_other_version)
    (folder / "shared" / "registry" / "packaged_model").symlink_to(version())
    return folder


def _other_version(folder: str, names: list[str]) -> list[str]:
    """The version that ships, and files that other processes are compiling."""
    return [name for name in names if name == "packaged_model" or ".pyc." in name]


@contextmanager
def packaged(folder: Path) -> Iterator[None]:
    """Use the packaged version of that installation in this process, within the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "_FOLDER", folder / "shared" / "registry" / "packaged_model")
        pretrained.card.cache_clear()
        yield
    pretrained.card.cache_clear()


def version() -> Path:
    """The folder of the version, made once for each state of the sources."""
    found = CACHE / _key()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the same run create it, too
        if not found.exists():
            draft = Path(tempfile.mkdtemp(dir=CACHE))
            _write(draft)
            draft.rename(found)
    return found


def _key() -> str:
    content = b"".join((ROOT / source).read_bytes() for source in SOURCES)
    return hashlib.sha256(content).hexdigest()[:16]


def _write(folder: Path) -> None:
    from tests.support.jobs import model_versions

    made = model_versions.exported(_card(), RECIPE, SEED)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in made.files.items()}
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    card = msgspec.structs.replace(made.card, files=hashes)
    (folder / "card.json").write_bytes(encode_card(card))
    os.chmod(folder, 0o755)


def _card() -> Card:
    return msgspec.structs.replace(pretrained.card(), notes="made by the tests")
