"""`python -m tests.steps ci` or `nightly`: run the steps and print their results; `release-check`.

It uses only the standard library, since the first step creates the environment.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Sequence

from tests.steps import inputs, plan, record, release, schedule, table
from tests.steps.step import FAILED, LEFT, PASSED, Outcome, Step, run


def main() -> int:
    """Exit code 0: every step passed now or before, or is left; nothing refuses a release."""
    given = _parser().parse_args()
    if given.what == "release-check":
        return release_check()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the steps, too
    started = time.monotonic()
    outcomes = ci() if given.what == "ci" else nightly(given.steps, 60 * given.within)
    print(table.formatted(outcomes), flush=True)
    code = int(any(outcome.result == FAILED for outcome in outcomes))
    print(f"{(time.monotonic() - started) / 60:.0f} minutes; {PASSED if not code else FAILED}")
    return code


def release_check() -> int:
    """One line says whether this commit may be released, or all that refuses it."""
    if found := release.problems():
        print(f"not to be released: {'; '.join(found)}", file=sys.stderr)
        return 1
    print(f"{inputs.commit()} may be released")
    return 0


def ci() -> list[Outcome]:
    """Run each step, regardless of earlier failures."""
    return [run(step) for step in plan.ci()]


def nightly(names: Sequence[str], within_s: float = math.inf) -> list[Outcome]:
    """Run each step that is not done and that fits; write the page after each."""
    rows = record.read()
    every = plan.nightly()
    steps = [step for step in every if not names or step.name in names]
    outcomes = [
        Outcome(step.name, "done", note=f"passed at {rows[step.name].commit}")
        for step in steps
        if record.done(step, rows)
    ]
    todo = [step for step in steps if not record.done(step, rows)]
    digests = dict[str, str]()

    def started(step: Step) -> None:
        digests[step.name] = inputs.digest(step)

    def ended(step: Step, outcome: Outcome) -> None:
        outcomes.append(outcome)
        rows[step.name] = record.row(step, outcome, digests[step.name])
        record.write(rows, tuple(step.name for step in every))

    left = schedule.run(todo, within_s, started, ended)
    return outcomes + [_left(step) for step in left]


def _left(step: Step) -> Outcome:
    return Outcome(
        step.name, LEFT, note=f"left for the next run: about {step.about_s / 60:.0f} min"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.steps", description=__doc__)
    parser.add_argument("what", choices=("ci", "nightly", "release-check"))
    parser.add_argument("steps", nargs="*", help="run only these steps of the nightly run")
    parser.add_argument(
        "--within", type=float, default=math.inf, metavar="MINUTES",
        help="start no step of the nightly run that would take longer",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
