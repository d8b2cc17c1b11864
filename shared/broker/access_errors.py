"""Distinguishes refusals of access, refusals of writes and outages.

The latter two are retried. A refusal of access (authentication, permissions, certificates) is a
set-up error: it ends the command with one line that names the fix, and a worker as well, which
retries for a while if it was connected before.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
)

from shared.errors import BrokerRefuses

#: A connection that broke off is an outage, not a refusal.
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_PASSWORD = "check HANGTAG_REDIS_USER and HANGTAG_REDIS_PASSWORD_FILE, or HANGTAG_REDIS_URL"
#: A name that one may expect: a password in a variable would be inherited by every process.
_NO_SETTING = "HANGTAG_REDIS_PASSWORD"
#: In the error of a server that requires a password and got none.
_REQUIRED = ("required", "already authenticated")
#: In the error for a command inside a script.
_IN_SCRIPT = "ACL failure in script"
_COMMAND_CHARS = 40
#: The server's error for writes while it cannot write its files.
_NO_DISK = "MISCONF"
#: Its error for writes with fewer replicas than min-replicas-to-write.
_NO_REPLICAS = "NOREPLICAS"
_DISK_FULL = "No space left on device"
#: redis-py has no class of its own for this one.
_MAX_CLIENTS = "max number of clients reached"


def access_error(
    error: BaseException, handled: BaseException | None = None
) -> BrokerRefuses | None:
    """The refusal as one line that names the fix, without the server's text; None for an outage.

    `handled` is an error that was already being handled when this one was raised.
    """
    for cause in _chain(error, handled):
        if why := _error_reason(cause):
            return BrokerRefuses(f"Redis refuses: {why}")
    return None


def write_refusal(error: Exception) -> str:
    """Why the server refuses writes; empty for any other error."""
    if isinstance(error, OutOfMemoryError):
        return "Redis' memory is full"
    text = str(error)
    if _NO_REPLICAS in text:
        return "Redis has too few replicas to accept writes"
    if _MAX_CLIENTS in text:
        return "Redis refuses more connections (its maxclients is reached)"
    if _NO_DISK not in text:
        return ""
    return "Redis' disk is full" if _DISK_FULL in text else f"Redis cannot write its files ({text})"


def _error_reason(error: BaseException) -> str:
    if isinstance(error, BrokerRefuses):
        return str(error).removeprefix("Redis refuses: ")
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted ({error.verify_message}); renew it for the host that "
            "HANGTAG_REDIS_URL names, or name its authority's file with HANGTAG_REDIS_CA"
        )
    if isinstance(error, ssl.SSLError) and error.reason and not isinstance(error, _CUT_OFF):
        return _tls(error.reason)
    if isinstance(error, NoPermissionError) or _IN_SCRIPT in str(error):
        return (
            f"this user may not run {_denied(error)}; give each part its user of "
            "deploy/redis/users.acl with HANGTAG_REDIS_USER"
        )
    return _authentication(error)


def _tls(reason: str) -> str:
    if "CERTIFICATE" in reason:
        return "it requires a client certificate; set HANGTAG_REDIS_CERT and HANGTAG_REDIS_KEY"
    return f"the TLS handshake failed ({reason:.60}); check HANGTAG_REDIS_CA, _CERT and _KEY"


def _authentication(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, AuthenticationError) and any(word in text for word in _REQUIRED):
        return f"it requires a password{_no_setting()}; {_PASSWORD}"
    if isinstance(error, AuthenticationError) or "WRONGPASS" in text:
        return f"wrong user or password{_no_setting()}; {_PASSWORD}"
    return ""


def _no_setting() -> str:
    """What the environment has instead of the file, if it has that."""
    return f" ({_NO_SETTING} is no setting)" if _NO_SETTING in os.environ else ""


def _denied(error: BaseException) -> str:
    """The command in `User x has no permissions to run the 'set' command`, if it is named."""
    quoted = str(error).split("'")
    named = len(quoted) == 3 and quoted[1].isprintable()
    return repr(quoted[1][:_COMMAND_CHARS]) if named else "that command"


def _chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, up to the one that was already being handled."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and cause is not handled and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
