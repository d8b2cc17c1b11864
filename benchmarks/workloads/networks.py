"""The networks that the contenders serve, and their files."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment.paths import ROOT, STORE
from shared.messages.model_card import Card, decode_card
from shared.registry import packaged
from shared.registry.registry import Registry

DENSE, SHIPPED = "dense", "shipped"
#: The recipe of the dense network, and its name in the benchmark's store.
TUTORIAL = "tutorial"


class Network(NamedTuple):
    """A model version in its folder."""

    name: str  #: in the benchmark's tables
    model: str  #: as `--model` names it
    folder: Path  #: holds card.json, model.tflite, model.keras

    @property
    def card(self) -> Card:
        """The model card."""
        return decode_card(self._card_bytes)

    @property
    def sha256(self) -> str:
        """The hash of the card, which names the hash of every other file."""
        return hashlib.sha256(self._card_bytes).hexdigest()

    @property
    def _card_bytes(self) -> bytes:
        return (self.folder / "card.json").read_bytes()


def find(name: str, environment: Mapping[str, str]) -> Network:
    """The network with this name, trained if it is missing."""
    return shipped() if name == SHIPPED else dense(environment)


def shipped() -> Network:
    """The packaged version."""
    folder = ROOT / "shared" / "registry" / "packaged_model"
    return Network(SHIPPED, f"{packaged.NAME}@{packaged.VERSION}", folder)


def in_fp32(network: Network, environment: Mapping[str, str]) -> Network:
    """The same network, not quantised, under the same name in the tables."""
    registry, model = Registry(STORE), f"{network.card.name}-fp32"
    if not registry.versions(model):
        _run("benchmarks.workloads.fp32_model", str(network.folder), model, environment=environment)
    version = registry.versions(model)[-1]
    return Network(network.name, f"{model}@{version}", STORE / model / str(version))


def dense(environment: Mapping[str, str]) -> Network:
    """The tutorial's network, trained for one epoch and published into the benchmark's store."""
    registry = Registry(STORE)
    if not registry.versions(TUTORIAL):
        _run("benchmarks.workloads.dense_model", environment=environment)
    version = registry.versions(TUTORIAL)[-1]
    return Network(DENSE, f"{TUTORIAL}@{version}", STORE / TUTORIAL / str(version))


def _run(module: str, *words: str, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", module, *words]
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
