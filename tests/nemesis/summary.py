"""The results of a whole run, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from tests.nemesis.round import Outcome


class Summary(msgspec.Struct, frozen=True):
    """Sums over all rounds."""

    seed: str
    rounds: int
    failed_rounds: list[int]
    jobs: int
    batches: int
    images: int
    trainings: int
    runs: int  #: of `hangtag classify`
    faults: dict[str, int]  #: injected, by kind
    met_with_a_claim: dict[str, int]
    skipped: dict[str, int]
    lost: int
    doubled: int
    wrong: int
    results: int  #: with a reply of the server
    late_results: int
    keys_expiring: int
    longest_until_resumed_s: float  #: from the last fault of a round to the next result
    longest_rest_s: float  #: to the job's end, including the rest of the work
    seconds: float


def summary(seed: str, outcomes: Sequence[Outcome]) -> Summary:
    """Sum the outcomes of all rounds."""
    injected: Counter[str] = Counter()
    held: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for one in outcomes:
        injected.update(one.injected)
        held.update(one.held)
        skipped.update(one.skipped)
    return Summary(
        seed=seed,
        rounds=len(outcomes),
        failed_rounds=[outcome.plan.round for outcome in outcomes if outcome.faults],
        jobs=len(outcomes),
        batches=sum(outcome.plan.batches for outcome in outcomes),
        images=sum(outcome.plan.images for outcome in outcomes),
        trainings=sum(outcome.verdict.trained for outcome in outcomes),
        runs=sum(outcome.runs for outcome in outcomes),
        faults=dict(sorted(injected.items())),
        met_with_a_claim={kind: n for kind, n in sorted(held.items()) if n},
        skipped=dict(sorted(skipped.items())),
        lost=sum(outcome.verdict.lost for outcome in outcomes),
        doubled=sum(outcome.verdict.doubled for outcome in outcomes),
        wrong=sum(outcome.verdict.wrong for outcome in outcomes),
        results=sum(outcome.verdict.results for outcome in outcomes),
        late_results=sum(outcome.verdict.late for outcome in outcomes),
        keys_expiring=sum(outcome.verdict.keys_expiring for outcome in outcomes),
        longest_until_resumed_s=round(
            max((outcome.resumed_s for outcome in outcomes), default=0), 1
        ),
        longest_rest_s=round(max((outcome.rest_s for outcome in outcomes), default=0), 1),
        seconds=round(sum(outcome.whole_s for outcome in outcomes), 1),
    )


def line(one: Outcome) -> str:
    """A round in one line of text."""
    plan = one.plan
    what = [f"round {plan.round}: {plan.batches:,} batches of {plan.batch_images}"]
    what.append(f"{sum(one.injected.values())} faults ({sum(one.held.values())} with a claim)")
    what.append(f"{one.runs} runs")
    what.append(f"resumed {one.resumed_s:.1f} s and ended {one.rest_s:.1f} s after the last fault")
    what.append(f"{one.whole_s:.0f} s in all")
    if plan.training:
        what.append("with a training")
    if plan.network:
        what.append("over links")
    return ", ".join([*what, f"FAILED: {one.faults}" if one.faults else "passed"])


def formatted(found: Summary) -> str:
    faults = ", ".join(f"{kind} {n}" for kind, n in found.faults.items())
    return (
        f"seed {found.seed}: {found.rounds} rounds, {found.batches:,} batches, "
        f"{found.images:,} images, {found.runs} runs, {found.trainings} trainings, "
        f"{found.seconds:,.0f} s\n"
        f"faults: {sum(found.faults.values())} ({faults}), "
        f"{sum(found.met_with_a_claim.values())} victims held a live claim\n"
        f"rows lost {found.lost}, doubled {found.doubled}, wrong {found.wrong}; "
        f"late results, which changed nothing: at least {found.late_results}\n"
        f"from a round's last fault to the next result at most {found.longest_until_resumed_s} s, "
        f"to the job's end at most {found.longest_rest_s} s"
    )


def figures(found: Summary) -> str:
    """The run in one line."""
    return (
        f"seed {found.seed}: {found.rounds} rounds, {sum(found.faults.values())} faults of "
        f"{len(found.faults)} kinds, {found.images:,} images; {found.lost} rows lost, "
        f"{found.doubled} doubled, {found.wrong} wrong"
    )
