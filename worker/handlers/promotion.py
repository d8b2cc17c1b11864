"""What becomes of `production` when a version was published: measured, judged, moved once."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing
from shared.messages.model_name import PRODUCTION
from shared.messages.replies import Decided
from shared.registry import operations
from worker.datasets.examples import Examples
from worker.evaluation.metrics import evaluate
from worker.handlers import quality_gate
from worker.handlers.context import Context
from worker.runtimes import load_runtime, runtime

#: The held-out images, made for this preprocessing; None where that cannot be had.
HeldOut = Callable[[Preprocessing], Examples | None]
#: What workers serve on a CPU is what is compared.
RUNTIME = "litert"
STAGE = "promoting"


def settle(context: Context, new: Card, rule: quality_gate.Rule, heldout: HeldOut) -> Decided:
    """Promote a published version or not; done already for this request, it is only told.

    Raises:
        Stopped: the request was cancelled, or is somebody else's now.
    """
    context.stage(STAGE)
    registry, request = context.registry, new.request
    if done := operations.decided(registry, new.name, request):
        return done
    standing = registry.aliases(new.name).get(PRODUCTION)
    if standing == new.version:
        why = f"{new.ref} is production already"
        return Decided(PRODUCTION, new.version, standing, changed=False, why=why)
    verdict = _verdict(context, new, standing, rule, heldout)
    if standing is not None and not verdict.promote:
        return Decided(PRODUCTION, standing, standing, changed=False, why=verdict.why)
    registry.promote(
        new.name,
        new.version,
        who=context.who,
        why=verdict.why,
        request=request,
        confirm=context.confirm,
    )
    done = operations.decided(registry, new.name, request)
    assert done is not None
    return done


def _verdict(
    context: Context, new: Card, standing: int | None, rule: quality_gate.Rule, heldout: HeldOut
) -> quality_gate.GateDecision:
    if standing is None:
        return quality_gate.judge(rule, new, None, None)
    try:
        old = context.registry.card(new.name, standing)
        measured = _measured(context, new, old, heldout) if rule == "if-better" else None
    except SetupError as error:  # the training has gone well, and must not fail for that
        return quality_gate.unreadable(rule, new, error)
    return quality_gate.judge(rule, new, old, measured)


def _measured(context: Context, new: Card, old: Card, heldout: HeldOut) -> float | None:
    if old.labels != new.labels:
        return None
    images = heldout(old.preprocessing)
    if images is None or len(images.labels) != new.metrics.heldout_count:
        return None
    artifact = context.registry.read(old, runtime.artifact_name(RUNTIME))
    return evaluate(load_runtime.load(RUNTIME, old, artifact), images).accuracy
