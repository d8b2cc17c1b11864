"""The request to calibrate an imported version: a new version of the same files."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import msgspec
import numpy as np

from shared import installation
from shared.errors import SetupError
from shared.messages.model_card import IMPORTED, Card
from shared.messages.model_name import PRODUCTION, parse
from shared.messages.requests import Calibrate
from shared.registry.mirror_writer import SERVED
from worker.datasets.examples import Examples
from worker.evaluation import heldout_answers
from worker.evaluation.calibration import temperature
from worker.evaluation.operating_points import operating_points
from worker.requests import promotion
from worker.requests.context import Context, Reply
from worker.requests.evaluate import in_pieces, labelled
from worker.runtimes import load_runtime
from worker.runtimes.runtime import Classifier, Logits, probabilities
from worker.train.assessment import Answered, assess_answers
from worker.train.learner import BuiltVersion

#: Fewer say nothing about a confidence.
LEAST_IMAGES = 20


def calibrate(context: Context, work: Calibrate) -> Reply:
    """A Trained. The new version replaces the old one in production, if that was there: its labels
    are the same.

    Raises:
        SetupError: the version was made here, or the images are not available, or too few.
        RequestStopped: the request was cancelled or taken over.
    """
    old = context.registry.resolve(parse(work.model))
    if old.recipe != IMPORTED:
        raise SetupError(f"{old.ref} was calibrated by its training; this is for imported models")
    card = promotion.published(context, old.name, lambda: _recalibrated(context, work, old))
    # A person may have promoted another one meanwhile.
    in_use = context.registry.aliases(old.name).get(PRODUCTION)
    return promotion.trained(context, card, "always" if in_use == old.version else "never")


def _recalibrated(context: Context, work: Calibrate, old: Card) -> BuiltVersion:
    images = labelled(context, work.data, old.labels, old.preprocessing)
    held, report = images.held, images.report
    if len(held.labels) < LEAST_IMAGES:
        raise SetupError(f"{report.name} has fewer than {LEAST_IMAGES} images to calibrate with")
    model = load_runtime.fetch(old, partial(context.registry.read, old)).load()
    logits = _logits(context, model, held)
    cooling = temperature(logits, held.labels)
    shares = probabilities(logits, cooling)
    card = msgspec.structs.replace(
        old,
        version=0,
        temperature=cooling,
        operating_points=operating_points(shares, held.labels),
        dataset=report.name,
        dataset_fingerprint=held.fingerprint(),
        code_version=installation.version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={},
        request=context.request.mark,
        source=work.data,
        notes=f"Imported as {old.ref}; calibrated on {len(held.labels):,} images of {report.name}. "
        "It is unknown whether it was trained on them.",
    )
    test = None
    if images.test is not None:
        tested = probabilities(_logits(context, model, images.test), cooling)
        test = Answered(tested, images.test.labels, images.test.images)
    assessed = assess_answers(card, [], Answered(shares, held.labels, held.images), test)
    served = {name: context.registry.read(old, name) for name in old.files if name in SERVED}
    answers = heldout_answers.recorded(held, logits, images.files)
    files = served | assessed.files | {heldout_answers.FILE: heldout_answers.encode(answers)}
    return BuiltVersion(msgspec.structs.replace(card, metrics=assessed.metrics), files)


def _logits(context: Context, model: Classifier, held: Examples) -> Logits:
    logits = in_pieces(context, model.logits, [held.images])
    if unanswered := int(np.count_nonzero(~np.isfinite(logits).all(1))):
        raise SetupError(
            f"the network has no answer for {unanswered:,} of {len(logits):,} images: it fails, or "
            "its outputs are no finite numbers; leave these images out, or mend the network"
        )
    return logits
