"""Hangtag from Python: classify folders of images into a table, train, and read the results.

    import hangtag
    result = hangtag.classify("photos/")

Every name is imported when it is first used. docs/python.md has the tour.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangtag.catalog import model as model
    from hangtag.catalog import models as models
    from hangtag.catalog import workers as workers
    from hangtag.jobs import Unfinished as Unfinished
    from hangtag.jobs import classify as classify
    from hangtag.jobs import open_table as open_table
    from hangtag.labelling import (
        groups as groups,
    )
    from hangtag.labelling import (
        label as label,
    )
    from hangtag.labelling import (
        labels as labels,
    )
    from hangtag.labelling import (
        rename_label as rename_label,
    )
    from hangtag.labelling import (
        similar as similar,
    )
    from hangtag.predictions import predict as predict
    from hangtag.result import Guess as Guess
    from hangtag.result import Result as Result
    from hangtag.result import Row as Row
    from hangtag.training import Request as Request
    from hangtag.training import train as train
    from producer.people.alike import Group as Group
    from producer.people.alike import SimilarImage as SimilarImage
    from producer.people.given_labels import LabelledImage as LabelledImage
    from producer.predict.predictions import Prediction as Prediction
    from producer.present.events import (
        Event as Event,
    )
    from producer.present.events import (
        Found as Found,
    )
    from producer.present.events import (
        Notice as Notice,
    )
    from producer.present.events import (
        RowChanged as RowChanged,
    )
    from producer.present.events import (
        Stage as Stage,
    )
    from producer.present.events import (
        Started as Started,
    )
    from producer.present.events import (
        Stored as Stored,
    )
    from producer.present.events import (
        Waiting as Waiting,
    )
    from producer.present.events import (
        Watching as Watching,
    )
    from shared.errors import (
        BrokerAway as BrokerAway,
    )
    from shared.errors import (
        HangtagError as HangtagError,
    )
    from shared.errors import (
        SetupError as SetupError,
    )
    from shared.errors import (
        UsageError as UsageError,
    )
    from shared.stop import Stop as Stop

#: The module of each name.
_MODULES = {
    "hangtag.catalog": ("model", "models", "workers"),
    "hangtag.jobs": ("Unfinished", "classify", "open_table"),
    "hangtag.labelling": ("groups", "label", "labels", "rename_label", "similar"),
    "hangtag.predictions": ("predict",),
    "hangtag.result": ("Guess", "Result", "Row"),
    "hangtag.training": ("Request", "train"),
    "producer.people.alike": ("Group", "SimilarImage"),
    "producer.people.given_labels": ("LabelledImage",),
    "producer.predict.predictions": ("Prediction",),
    "producer.present.events": (
        *("Event", "Found", "Notice", "RowChanged", "Stage", "Started", "Stored", "Waiting"),
        "Watching",
    ),
    "shared.errors": ("BrokerAway", "HangtagError", "SetupError", "UsageError"),
    "shared.stop": ("Stop",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_MODULE_OF)


if not TYPE_CHECKING:  # which would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__]
