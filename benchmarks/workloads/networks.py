"""The two networks that every contender serves, and their files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment.paths import ROOT, STORE
from shared.messages.model_card import Card, decode_card
from shared.registry import packaged
from shared.registry.registry import Registry

TUTORIAL = "tutorial"


class Network(NamedTuple):
    """A model version in its folder."""

    name: str  #: in the benchmark's tables
    model: str  #: as `--model` names it
    folder: Path  #: holds card.json, model.tflite, model.keras

    @property
    def card(self) -> Card:
        """The model card."""
        return decode_card((self.folder / "card.json").read_bytes())


def shipped() -> Network:
    """The packaged version."""
    folder = ROOT / "shared" / "registry" / "packaged_model"
    return Network("shipped", f"{packaged.NAME}@{packaged.VERSION}", folder)


def dense(environment: Mapping[str, str]) -> Network:
    """The tutorial's network, trained for one epoch and published into the benchmark's store."""
    registry = Registry(STORE)
    if not registry.versions(TUTORIAL):
        command = [sys.executable, "-m", "benchmarks.contenders.tutorial_model"]
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
    version = registry.versions(TUTORIAL)[-1]
    return Network("dense", f"{TUTORIAL}@{version}", STORE / TUTORIAL / str(version))
