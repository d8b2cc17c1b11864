"""Hangtag from Python: classify folders of images into a table, train, and read the results.

    import hangtag
    result = hangtag.classify("photos/")

Every name is imported when it is first used. docs/python.md has the tour.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangtag.call import Unfinished
    from hangtag.catalog import model, models
    from hangtag.fleet import workers
    from hangtag.jobs import classify, open_table
    from hangtag.labelling import groups, label, labels, rename_label, similar
    from hangtag.predictions import predict
    from hangtag.result import Result
    from hangtag.rows import Guess, Row
    from hangtag.training import Request, train
    from producer.labelling.alike import Group, SimilarImage
    from producer.labelling.given_labels import LabelledImage
    from producer.predict.predictions import Prediction
    from producer.present.events import (
        Event,
        Found,
        Notice,
        RowChanged,
        Stage,
        Started,
        Stored,
        Waiting,
        Watching,
    )
    from shared.errors import BrokerAway, HangtagError, SetupError, UsageError
    from shared.stop import Stop

__all__ = [
    "BrokerAway",
    "Event",
    "Found",
    "Group",
    "Guess",
    "HangtagError",
    "LabelledImage",
    "Notice",
    "Prediction",
    "Request",
    "Result",
    "Row",
    "RowChanged",
    "SetupError",
    "SimilarImage",
    "Stage",
    "Started",
    "Stop",
    "Stored",
    "Unfinished",
    "UsageError",
    "Waiting",
    "Watching",
    "classify",
    "groups",
    "label",
    "labels",
    "model",
    "models",
    "open_table",
    "predict",
    "rename_label",
    "similar",
    "train",
    "workers",
]

#: The module of each name.
_MODULES = {
    "hangtag.call": ("Unfinished",),
    "hangtag.catalog": ("model", "models"),
    "hangtag.fleet": ("workers",),
    "hangtag.jobs": ("classify", "open_table"),
    "hangtag.labelling": ("groups", "label", "labels", "rename_label", "similar"),
    "hangtag.predictions": ("predict",),
    "hangtag.result": ("Result",),
    "hangtag.rows": ("Guess", "Row"),
    "hangtag.training": ("Request", "train"),
    "producer.labelling.alike": ("Group", "SimilarImage"),
    "producer.labelling.given_labels": ("LabelledImage",),
    "producer.predict.predictions": ("Prediction",),
    "producer.present.events": (
        *("Event", "Found", "Notice", "RowChanged", "Stage", "Started", "Stored", "Waiting"),
        "Watching",
    ),
    "shared.errors": ("BrokerAway", "HangtagError", "SetupError", "UsageError"),
    "shared.stop": ("Stop",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # which would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__]
