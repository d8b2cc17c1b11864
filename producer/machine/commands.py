"""Command lines of workers and of the trainer, and checks that their packages are installed.

Those for other machines never contain a password, nor the user of a URL: it may be a password
without its colon.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from typing import NoReturn

from producer.machine.machine_resources import cores
from shared import installation
from shared.broker import address
from shared.broker.address import Address
from shared.broker.runtime_paths import runtime_dir
from shared.errors import SetupError
from shared.installation import (
    DRAW_PACKAGES,
    METRICS_PACKAGES,
    OF_NETWORKS,
    ONNX_PACKAGES,
    TENSORFLOW_PACKAGES,
    WORKER_PACKAGES,
)
from shared.settings import PREFIX, Settings

#: A trainer has one child for long work, one for other work.
TRAINER_CHILDREN = 2
#: Settings that name a file or a folder. A worker runs in a different folder from its command.
FILES = ("redis_password_file", "redis_ca", "redis_cert", "redis_key", "root")
#: Placeholder for values that are known only on the other machine.
TO_BE_FILLED_IN = "..."
#: Prefix of the users of deploy/redis/users.acl, before the name of the part.
_USERS = "hangtag-"


def command(children: int) -> list[str]:
    """The command line of a worker with this many children. Run it in a folder without modules."""
    return _serve(sys.executable, "worker.app", "--concurrency", str(children))


def stack_command(python: str) -> list[str]:
    """The command line of a stack's worker, which reads its number of children from a file."""
    return _serve(python, "worker.app")


def trainer_command(python: str = sys.executable) -> list[str]:
    """The command line of a trainer. Run it like a worker.

    Where there is a second core, a second process does short work beside a training.
    """
    return _serve(python, "worker.trainer", "--concurrency", str(_trainer_children()))


def _trainer_children() -> int:
    return min(TRAINER_CHILDREN, cores())


def check_installed() -> None:
    """Raises SetupError if a package that workers need is not installed."""
    if lack := installation.missing(WORKER_PACKAGES, "all"):
        raise SetupError(
            f"this installation cannot run a worker: {lack}; "
            "or set HANGTAG_REDIS_URL to a Redis that has workers"
        )


def check_can_train() -> None:
    """Raises SetupError if a package that training needs is not installed."""
    if lack := installation.missing(WORKER_PACKAGES | DRAW_PACKAGES, "all"):
        raise SetupError(f"this installation cannot train: {lack}")


def command_to_add(packages: Collection[str]) -> str:
    """`X is missing; add it with: COMMAND`, for import names; empty if all are installed."""
    needed = {name: pip for name, pip in installation.STACK_PACKAGES.items() if name in packages}
    return installation.missing(needed, _extra(needed))


def _extra(needed: Mapping[str, str]) -> str:
    """The extra that has all of these packages."""
    if TENSORFLOW_PACKAGES.keys() <= needed.keys():
        return OF_NETWORKS
    return "onnx" if ONNX_PACKAGES.keys() <= needed.keys() else "all"


def check_can_measure() -> None:
    """Raises SetupError if a package that the metrics endpoint needs is not installed."""
    if lack := installation.missing(METRICS_PACKAGES, "metrics"):
        raise SetupError(f"this installation cannot serve metrics: {lack}")


def run(settings: Settings, children: int, starts: Callable[[int], None]) -> NoReturn:
    """Become a worker for the configured broker. `starts` gets the number of its processes, when
    nothing is missing.

    Raises:
        SetupError: no broker is configured, or something is not installed.
    """
    _check_broker(
        settings,
        "a worker in the foreground needs a broker; "
        f"set it, or start or scale this machine's stack: hangtag up --workers {children}",
    )
    _check_root(settings)
    check_installed()
    starts(children)
    _become(command(children), settings)


def run_trainer(settings: Settings, starts: Callable[[int], None]) -> NoReturn:
    """Become the trainer for the configured broker. `starts` as for `run`.

    Raises:
        SetupError: no broker is configured, or something is not installed.
    """
    _check_broker(
        settings,
        "this machine's stack starts a trainer by itself for a request; "
        "set it, or submit a request: hangtag train DIR",
    )
    check_can_train()
    starts(_trainer_children())
    _become(trainer_command(), settings)


def worker_line(settings: Settings, children: int | None = None) -> str:
    """The command line that starts a worker for the broker in use."""
    concurrency = "" if children is None else f" --concurrency {children}"
    return _line(settings, "worker", f"hangtag worker{concurrency}")


def trainer_line(settings: Settings) -> str:
    """The command line that starts a trainer for the broker in use."""
    return _line(settings, "trainer", "hangtag worker --queue train")


def _line(settings: Settings, part: str, command: str) -> str:
    try:
        broker = address.parse(settings.redis_url, insecure=True)
        url = _url(broker, settings)
    except SetupError:
        broker, url = Address(address.SOCKET), TO_BE_FILLED_IN
    needed = {"url": url, **_needed(broker, settings, part)}
    variables = [
        f"{PREFIX}REDIS_{name.upper()}={shlex.quote(value)}"
        for name, value in needed.items()
        if value
    ]
    return " ".join([*variables, command])


def _url(broker: Address, settings: Settings) -> str:
    unverified = not broker.verified and settings.redis_insecure
    return str(broker) + ("?ssl_cert_reqs=none" if unverified else "")


def _needed(broker: Address, settings: Settings, part: str) -> dict[str, str]:
    """The settings that are needed besides the URL, by name; empty: not set."""
    is_given = bool(broker.password or settings.redis_password_file)
    demanded = not address.is_private(broker) and not settings.redis_insecure
    secret = is_given or demanded
    insecure = not secret or not broker.verified
    return {
        "user": _user(broker, settings, part) if secret else "",
        "password_file": TO_BE_FILLED_IN if secret else "",
        "ca": settings.redis_ca or broker.ca,
        # Each machine has its own.
        "cert": TO_BE_FILLED_IN if settings.redis_cert or broker.cert else "",
        "key": TO_BE_FILLED_IN if settings.redis_key or broker.key else "",
        "insecure": settings.redis_insecure if insecure else "",
    }


def _user(broker: Address, settings: Settings, part: str) -> str:
    """The user with the rights of this part; empty if none is configured."""
    user = settings.redis_user or broker.user
    if user.startswith(_USERS):
        return _USERS + part
    return settings.redis_user or (TO_BE_FILLED_IN if broker.user else "")


def _serve(python: str, app: str, *options: str) -> list[str]:
    return [python, "-m", "worker.serve", app, *options]


def _check_broker(settings: Settings, otherwise: str) -> None:
    if not settings.redis_url:
        raise SetupError(f"HANGTAG_REDIS_URL is not set, and {otherwise}")
    address.address(settings)


def _check_root(settings: Settings) -> None:
    if settings.root and not os.path.isdir(settings.root):
        raise SetupError(
            f"the root {settings.root!r:.200} is not a folder here; name the folder of the images "
            "on this machine with --root or HANGTAG_ROOT, or leave it out"
        )


def _become(argv: list[str], settings: Settings) -> NoReturn:
    env = environment(settings)  # before chdir, since it resolves relative paths
    # Celery searches the current folder for modules first; the root has none.
    os.chdir("/")
    os.execve(sys.executable, argv, env)


def environment(settings: Settings) -> dict[str, str]:
    """The environment that passes these settings and packages to a process in any folder.

    Raises:
        SetupError: the broker's URL or the runtime folder cannot be used.
    """
    values = {PREFIX + name.upper(): getattr(settings, name) for name in Settings.__struct_fields__}
    variables = {name: value for name, value in os.environ.items() if name not in values}
    variables |= {name: str(value) for name, value in values.items() if value != ""}
    variables[PREFIX + "RUNTIME_DIR"] = str(runtime_dir(settings).absolute())
    variables[PREFIX + "STORE"] = str(settings.store_path.absolute())
    for name, path in _files(settings).items():
        variables[PREFIX + name.upper()] = os.path.abspath(path)
    if path := installation.python_path():
        variables["PYTHONPATH"] = path
    return variables


def _files(settings: Settings) -> dict[str, str]:
    """The files of the settings, which override those that the broker's URL names."""
    files = {name: getattr(settings, name) for name in FILES}
    if settings.redis_url:
        broker = address.parse(settings.redis_url, insecure=True)
        named = {"redis_ca": broker.ca, "redis_cert": broker.cert, "redis_key": broker.key}
        files |= {name: files[name] or path for name, path in named.items()}
    return {name: path for name, path in files.items() if path}
