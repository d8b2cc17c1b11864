"""The packages that the work of a request needs, beside those of every installation."""

from __future__ import annotations

from collections.abc import Mapping

from shared import recipes
from shared.installation import (
    DRAW_PACKAGES,
    ONNX_PACKAGES,
    TENSORFLOW_PACKAGES,
    WORKER_PACKAGES,
)
from shared.messages.requests import (
    AddBackbone,
    Calibrate,
    CheckDataset,
    ComputeFeatures,
    Evaluate,
    Import,
    ImportNetwork,
    ShowData,
    Work,
)
from shared.messages.training import Train


def needed_packages(work: Work) -> Mapping[str, str]:
    """Import name -> pip's name; none for work that changes versions alone."""
    match work:
        case Train(recipe=recipe, backbone=backbone) if recipes.is_for_photos(recipe):
            return WORKER_PACKAGES | DRAW_PACKAGES | _packages_of(backbone)
        case Train() | Import():
            return WORKER_PACKAGES | DRAW_PACKAGES | TENSORFLOW_PACKAGES
        case CheckDataset(backbone=backbone) | ComputeFeatures(backbone=backbone):
            return WORKER_PACKAGES | _packages_of(backbone)
        case ImportNetwork(kind="onnx") | AddBackbone():
            return WORKER_PACKAGES | ONNX_PACKAGES
        case ImportNetwork():
            return WORKER_PACKAGES
        case ShowData() | Calibrate() | Evaluate(plots=True):
            return WORKER_PACKAGES | DRAW_PACKAGES
    return {}


def _packages_of(backbone: str) -> dict[str, str]:
    """Those of a backbone's runtime, beside those of every worker."""
    return {} if recipes.ships(backbone) else ONNX_PACKAGES
