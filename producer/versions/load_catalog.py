"""The catalog of models: from the store of this machine, or from its copies in Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from producer.machine.workers import ROLE, broker_errors, has_trainer
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url
from shared.errors import SetupError, no_model, no_version
from shared.labels.class_folders import folder_of
from shared.labels.label_line import OF_A_LABEL, LabelLine
from shared.messages import model_name
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName, parse
from shared.registry import learned_lines
from shared.registry.catalog import CatalogModel, CatalogVersion, ModelSource
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from shared.settings import Settings

log = logging.getLogger(__name__)


class Catalog(NamedTuple):
    """All models, and a function that reads and verifies a version's file (or SetupError)."""

    models: list[CatalogModel]
    read: Callable[[Card, str], bytes]

    def model(self, name: str) -> CatalogModel:
        """The model of this name.

        Raises:
            UsageError: the name is invalid.
            SetupError: there is none.
        """
        model_name.checked(name)
        for model in self.models:
            if model.name == name:
                return model
        raise SetupError(no_model(name, (model.name for model in self.models)))

    def version(self, wanted: ModelName) -> tuple[CatalogModel, CatalogVersion]:
        """The model and the version that a name refers to.

        Raises:
            SetupError: there is no such model, version or alias.
        """
        model = self.model(wanted.name)
        number = wanted.version
        if number is None:
            number = model.aliases.get(wanted.alias or "")
        for version in model.versions:
            if version.card.version == number:
                return model, version
        which = wanted.version if wanted.version is not None else wanted.alias or ""
        numbers = (version.card.version for version in model.versions)
        raise SetupError(no_version(model.name, which, numbers, model.aliases))


def load_catalog(settings: Settings) -> Catalog:
    """Read the catalog. Damaged versions are reported and left out.

    Raises:
        BrokerAway: the configured broker is unreachable.
    """
    with broker_errors(settings):
        return Catalog(_source(settings).catalog(_report), reader(settings))


def reader(settings: Settings) -> Callable[[Card, str], bytes]:
    """What reads and verifies a file of a version. It raises SetupError, BrokerAway."""
    source = _source(settings)

    def read(card: Card, filename: str) -> bytes:
        with broker_errors(settings):
            return source.read(card, filename)

    return read


def _source(settings: Settings) -> ModelSource:
    if not settings.redis_url:
        return Registry(settings.store_path)
    return Mirror(connect(broker_url(settings), ROLE))


def check_version(settings: Settings, model: str) -> None:
    """Check that this version exists. At a broker without a trainer it may have no copy yet.

    Raises:
        UsageError: the name is invalid.
        SetupError: there is no such model, version or alias.
        BrokerAway: the configured broker is unreachable.
    """
    wanted = parse(model)
    if settings.redis_url:
        with broker_errors(settings):
            if not has_trainer(connect(broker_url(settings), ROLE)):
                return
    load_catalog(settings).version(wanted)


def _report(fault: str) -> None:
    log.warning("hangtag: %s", fault)  # on standard error, where a program configures nothing else


def learned_labels(settings: Settings, card: Card) -> list[LabelLine]:
    """The lines in force of a version that name a label, by the name that the card has for its
    folder.

    Raises:
        SetupError: the version is gone, its record cannot be read, or is only on another machine.
        BrokerAway: the configured broker is unreachable.
    """
    name = learned_lines.file_of(card)
    if not name:
        return []
    names = {folder_of(label): label for label in card.labels}
    lines = learned_lines.decode(reader(settings)(card, name), card)
    return [
        msgspec.structs.replace(line, label=names.get(folder_of(line.label), line.label))
        for line in lines
        if line.kind in OF_A_LABEL and not line.undo
    ]
