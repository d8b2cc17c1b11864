"""The base images of what is built and run: their names, and where this engine has them from."""

from __future__ import annotations

import re

from tests.compose.engine import docker
from tests.support.deploy.compose_file import FILES, services
from tests.support.processes.fleet import ROOT


def names() -> list[str]:
    """The images that Dockerfile and the compose files name and that are not built here."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    begun = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    stages = {stage for _, stage in begun}
    named = [image for image, _ in begun if image not in stages]
    run = [one["image"] for file in FILES for one in services(file).values() if "image" in one]
    return sorted({*named, *run})


def missing() -> list[str]:
    """Those that this engine does not list."""
    return [name for name in names() if not _digests(name)]


def provide() -> None:
    """Pull what is missing. Raises DockerFails if that is impossible.

    A build would pull it into a cache of its own, where no command could inspect it.
    """
    for name in missing():
        docker("pull", "--quiet", name)


def told() -> str:
    """Which base images are there: a registry's, or ones made on this machine."""
    known = {name: _digests(name) for name in names()}
    made = [name for name, digests in known.items() if digests in ("[]", "null")]
    unknown = [name for name, digests in known.items() if not digests]
    if made:
        return f"STAND-INS made on this machine, not the official base images: {', '.join(made)}"
    if unknown:
        return f"base images of unknown origin: {', '.join(unknown)}"
    return f"base images of a registry: {', '.join(known)}"


def _digests(name: str) -> str:
    """Under which digests a registry has it, as JSON; empty if this engine does not list it."""
    return docker("image", "inspect", "-f", "{{json .RepoDigests}}", name, check=False)
