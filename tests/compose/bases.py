"""The base images of what is built and run: whether this engine has them, and where from.

`python -m tests.compose.bases` gets what is missing, and says why it cannot if it cannot.
"""

from __future__ import annotations

from tests.compose.engine import DockerFails, docker

NAMES = ("python:3.13-slim", "redis:8-alpine")


def provide() -> None:
    """Pull what this engine does not list. Raises DockerFails if that cannot be had.

    A build would pull it, too, but into a cache of its own, and nobody could ask about it.
    """
    for name in NAMES:
        if not _digests(name):
            docker("pull", "--quiet", name)


def told() -> str:
    """Which base images are there: a registry's, or ones made on this machine."""
    known = {name: _digests(name) for name in NAMES}
    made = [name for name, digests in known.items() if digests in ("[]", "null")]
    unknown = [name for name, digests in known.items() if not digests]
    if made:
        return f"STAND-INS made on this machine, not the official base images: {', '.join(made)}"
    if unknown:
        return f"base images of unknown origin: {', '.join(unknown)}"
    return f"base images of a registry: {', '.join(NAMES)}"


def _digests(name: str) -> str:
    """Under which digests a registry has it, as JSON; empty if this engine does not list it."""
    return docker("image", "inspect", "-f", "{{json .RepoDigests}}", name, check=False)


if __name__ == "__main__":
    try:
        provide()
    except DockerFails as error:
        print("a base image cannot be had:", " ".join(str(error).split()))
