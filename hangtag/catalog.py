"""Versions of models, all of them or one with its card; and live workers."""

from __future__ import annotations

from hangtag.arguments import checked_types
from producer.machine.workers import live_workers
from producer.versions.catalog import Catalog
from producer.versions.default_model import choice
from producer.versions.list_versions import VersionRow, rows
from shared.ledger.heartbeats import Heartbeat
from shared.messages.model_name import parse
from shared.registry.catalog import VersionDetails
from shared.settings import Settings


@checked_types
def models(name: str = "") -> list[VersionRow]:
    """Every version of a model, or of all models, with its aliases and figures.

    Raises:
        UsageError: the name is invalid.
        SetupError: there is no model of this name.
        BrokerAway: a broker is configured, and it is unreachable.
    """
    return rows(Catalog(Settings.from_env()).versions(name))


@checked_types
def model(name: str = "") -> VersionDetails:
    """One version, with its card (labels, input, figures, thresholds), files, aliases and history.

    Args:
        name: `NAME`, `NAME@VERSION` or `NAME@ALIAS`; empty: the one that `classify` takes.

    Raises:
        UsageError, SetupError, BrokerAway: as `models`.
    """
    settings = Settings.from_env()
    return Catalog(settings).version(parse(name or choice(settings).model))


def workers() -> list[Heartbeat]:
    """The live workers, as each has reported itself last; none while this machine's stack is down.

    Raises:
        BrokerAway: a broker is configured, and it is unreachable.
    """
    return live_workers(Settings.from_env())
