"""`python -m tests.steps ci` or `nightly`: run the steps and print their results.

It uses only the standard library, since the first step creates the environment.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.compose import changed
from tests.steps import inputs, plan, record, table
from tests.steps.step import FAILED, NOT_RUN, PASSED, Outcome, run


def main() -> int:
    """Exit code 0: every step passed now or before."""
    given = _parser().parse_args()
    outcomes = ci() if given.what == "ci" else nightly(given.steps)
    print(table.formatted(outcomes), flush=True)
    return int(any(outcome.result == FAILED for outcome in outcomes))


def ci() -> list[Outcome]:
    """Run each step, regardless of earlier failures."""
    outcomes = [run(step) for step in plan.ci()]
    return [*outcomes, _compose_if_changed()]


def nightly(names: Sequence[str]) -> list[Outcome]:
    """Run each step that is not done; write the page after each."""
    rows = record.read()
    steps = [step for step in plan.nightly() if not names or step.name in names]
    order = tuple(step.name for step in plan.nightly())
    outcomes = []
    for step in steps:
        if record.done(step, rows):
            outcomes.append(Outcome(step.name, "done", note=f"passed at {rows[step.name].commit}"))
            continue
        used = inputs.digest(step)
        outcome = run(step)
        outcomes.append(outcome)
        rows[step.name] = record.row(step, outcome, used)
        record.write(rows, order)
    return outcomes


def _compose_if_changed() -> Outcome:
    if reason := changed.reason_to_run():
        print(f"compose: {reason}", flush=True)
        return run(plan.compose())
    at = record.commit_of("compose")
    return Outcome("compose", NOT_RUN, note=f"no input has changed since {at}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.steps", description=__doc__)
    parser.add_argument("what", choices=("ci", "nightly"))
    parser.add_argument("steps", nargs="*", help="run only these steps of the nightly run")
    return parser


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"{(time.monotonic() - started) / 60:.0f} minutes; {PASSED if not code else FAILED}")
    sys.exit(code)
