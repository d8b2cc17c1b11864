"""The catalog of models: from the store of this machine, or from its copies in Redis."""

from __future__ import annotations

import logging

import msgspec

from producer.machine.workers import ROLE, broker_errors, has_trainer
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url
from shared.errors import SetupError, no_model
from shared.labels.class_folders import folder_of
from shared.labels.label_line import OF_A_LABEL, LabelLine
from shared.messages import model_name
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName, parse
from shared.registry import learned_lines
from shared.registry.catalog import ModelSource, VersionDetails
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from shared.settings import Settings

log = logging.getLogger(__name__)


class Catalog:
    """The versions of this machine's store, or of the broker.

    Every method raises BrokerAway if the configured broker is unreachable.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source: ModelSource = (
            Mirror(connect(broker_url(settings), ROLE))
            if settings.redis_url
            else Registry(settings.store_path)
        )

    def versions(self, name: str = "") -> list[VersionDetails]:
        """The versions of one model, or of all. Damaged ones are reported and left out.

        Raises:
            UsageError, SetupError: there is no model of this name.
        """
        with broker_errors(self._settings):
            versions = self._source.catalog(_report)
        if not name:
            return versions
        model_name.checked(name)
        found = [version for version in versions if version.card.name == name]
        if not found:
            raise SetupError(no_model(name, dict.fromkeys(one.card.name for one in versions)))
        return found

    def version(self, wanted: ModelName) -> VersionDetails:
        """The version that a name refers to.

        Raises:
            SetupError: there is no such model, version or alias, or its card is damaged.
        """
        with broker_errors(self._settings):
            return self._source.version(wanted)

    def read(self, card: Card, filename: str) -> bytes:
        """A file of a version, verified. Raises SetupError: it is missing or damaged."""
        with broker_errors(self._settings):
            return self._source.read(card, filename)


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
    Catalog(settings).version(wanted)


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
    lines = learned_lines.decode(Catalog(settings).read(card, name), card)
    return [
        msgspec.structs.replace(line, label=names.get(folder_of(line.label), line.label))
        for line in lines
        if line.kind in OF_A_LABEL and not line.undo
    ]
