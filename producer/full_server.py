"""A server that answers, and takes nothing in: what is wrong with it, in words."""

from __future__ import annotations

from redis.exceptions import OutOfMemoryError, RedisError

#: What it answers to any write while its files cannot be written.
_NO_DISK = "MISCONF"
#: And while fewer replicas follow it than it must have (min-replicas-to-write).
_NO_REPLICAS = "NOREPLICAS"
_DISK_FULL = "No space left on device"
#: redis-py has no class of its own for this one.
_MAX_CLIENTS = "max number of clients reached"


def refusal(error: RedisError) -> str:
    """Why the server refuses what is written to it; empty for any other error."""
    if isinstance(error, OutOfMemoryError):
        return "Redis' memory is full"
    text = str(error)
    if _NO_REPLICAS in text:
        return "Redis has too few replicas to take anything in"
    if _MAX_CLIENTS in text:
        return "Redis refuses more connections (its maxclients is reached)"
    if _NO_DISK not in text:
        return ""
    return "Redis' disk is full" if _DISK_FULL in text else f"Redis cannot write its files ({text})"
