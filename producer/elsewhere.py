"""What to type on other machines, where a broker is configured."""

from __future__ import annotations

import shlex

from shared import access
from shared.access import VARIABLE
from shared.errors import SetupError
from shared.settings import Settings


def worker_line(settings: Settings, children: int | None = None) -> str:
    """The line that starts a worker for the broker in use. There is never a password in it."""
    url = access.shown(settings.redis_url)
    url = "..." if url == VARIABLE else shlex.quote(url)
    concurrency = "" if children is None else f" --concurrency {children}"
    return f"{VARIABLE}={url} hangtag worker{concurrency}"


def hint(settings: Settings) -> str:
    """How to get in there, where it takes a password that the line leaves out."""
    try:
        secret = bool(access.parse(settings.redis_url, insecure=True).password)
    except SetupError:
        return ""
    return " (with the password in HANGTAG_REDIS_PASSWORD_FILE)" if secret else ""
