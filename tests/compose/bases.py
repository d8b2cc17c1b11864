"""The base images of the built and running images: their names and origins."""

from __future__ import annotations

import re

from tests.compose.engine import docker
from tests.support.deploy.compose_file import FILES, services
from tests.support.processes.fleet import ROOT


def names() -> list[str]:
    """The external images that Dockerfile and the compose files name."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    started = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    stages = {stage for _, stage in started}
    named = [image for image, _ in started if image not in stages]
    run = [
        service["image"]
        for file in FILES
        for service in services(file).values()
        if "image" in service
    ]
    return sorted({*named, *run})


def missing() -> list[str]:
    """The base images that this engine does not list."""
    return [name for name in names() if not _digests(name)]


def provide() -> None:
    """Pull the missing images. Raises DockerFails if that is impossible.

    A build would pull them into its own cache, where no command could inspect them.
    """
    for name in missing():
        docker("pull", "--quiet", name)


def origins() -> str:
    """The origins of the base images: a registry, or this machine."""
    known = {name: _digests(name) for name in names()}
    made = [name for name, digests in known.items() if digests in ("[]", "null")]
    unknown = [name for name, digests in known.items() if not digests]
    if made:
        return f"STAND-INS made on this machine, not the official base images: {', '.join(made)}"
    if unknown:
        return f"base images of unknown origin: {', '.join(unknown)}"
    return f"base images of a registry: {', '.join(known)}"


def _digests(name: str) -> str:
    """The registry digests of an image, as JSON; empty if this engine does not list the image."""
    return docker("image", "inspect", "-f", "{{json .RepoDigests}}", name, check=False)
