"""The worker's command line, and whether what it needs is installed here."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

from shared.errors import SetupError
from shared.place import runtime_dir
from shared.settings import PREFIX, Settings

#: Import name -> what pip calls it.
PACKAGES = {"ai_edge_litert": "ai-edge-litert", "numpy": "numpy", "PIL": "pillow"}
#: The folder of hangtag's packages: a checkout, or site-packages.
_ROOT = Path(__file__).resolve().parent.parent


def command(children: int) -> list[str]:
    """The command line of a worker with this many children. Run it in a folder without modules."""
    return [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "worker.app", "worker"),
        *("--concurrency", str(children), "--pool", "prefork", "--loglevel", "WARNING"),
        # Talk among workers that nobody hears; without it a worker starts and stops 1 s sooner.
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def check_installed() -> None:
    """Raises SetupError if a package that workers need is not installed."""
    missing = [pip for name, pip in PACKAGES.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"this machine cannot run a worker, {', '.join(missing)} is missing; "
            "pip install 'hangtag[all]', or set HANGTAG_REDIS_URL to a Redis that has workers"
        )


def run(settings: Settings, children: int) -> NoReturn:
    """Become a worker for the broker that is configured.

    Raises:
        SetupError: there is none, or something is not installed.
    """
    if not settings.redis_url:
        raise SetupError(
            "HANGTAG_REDIS_URL is not set, and this machine's stack has a worker already; "
            "set it, or scale the stack with: hangtag up --workers N"
        )
    from shared.broker import check_url  # imports Celery, which the stack's client need not

    check_url(settings.redis_url)
    check_installed()
    # Celery looks for modules in the current folder first; the root has none.
    os.chdir("/")
    os.execve(sys.executable, command(children), environment(settings))


def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a process in any folder these settings and these packages."""
    given = {PREFIX + name.upper(): getattr(settings, name) for name in Settings.__struct_fields__}
    made = {name: value for name, value in os.environ.items() if name not in given}
    made |= {name: str(value) for name, value in given.items() if value != ""}
    made[PREFIX + "RUNTIME_DIR"] = str(runtime_dir(settings).absolute())
    made[PREFIX + "STORE"] = str(settings.store_path.absolute())
    if str(_ROOT) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        made["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), made.get("PYTHONPATH")]))
    return made
