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

DENSE, FAST, SHIPPED, BEFORE = "dense", "fast", "shipped", "before"
#: The recipe of a network that the benchmark trains.
RECIPES = {DENSE: "tutorial", FAST: "fast"}


class Network(NamedTuple):
    """A model version in its folder."""

    name: str  #: in the benchmark's tables
    model: str  #: as `--model` names it; empty: it is in no store
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
    return shipped() if name == SHIPPED else _trained(name, environment)


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


def before(folder: Path) -> Network:
    """Another version, to compare the packaged one with."""
    return Network(BEFORE, "", folder.resolve())


def dense(environment: Mapping[str, str]) -> Network:
    """The tutorial's network, trained for one epoch and published into the benchmark's store."""
    return _trained(DENSE, environment)


def _trained(name: str, environment: Mapping[str, str]) -> Network:
    registry, recipe = Registry(STORE), RECIPES[name]
    if not registry.versions(recipe):
        _run("benchmarks.workloads.recipe_model", recipe, environment=environment)
    version = registry.versions(recipe)[-1]
    return Network(name, f"{recipe}@{version}", STORE / recipe / str(version))


def _run(module: str, *words: str, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", module, *words]
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
