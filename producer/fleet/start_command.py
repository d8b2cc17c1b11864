"""The complete command lines that start workers for a configured broker on other machines.

They never contain a password, nor the user of a URL: it may be a password without its colon.
"""

from __future__ import annotations

import shlex

from shared.broker import address
from shared.broker.address import Address
from shared.errors import SetupError
from shared.settings import PREFIX, Settings

#: Placeholder for values that are known only on the other machine.
TO_BE_FILLED_IN = "..."
#: Prefix of the users of deploy/redis/users.acl, before the name of the part.
_USERS = "hangtag-"


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
    given = bool(broker.password or settings.redis_password_file)
    demanded = not address.is_private(broker) and not settings.redis_insecure
    secret = given or demanded
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
    ours = settings.redis_user or broker.user
    if ours.startswith(_USERS):
        return _USERS + part
    return settings.redis_user or (TO_BE_FILLED_IN if broker.user else "")
