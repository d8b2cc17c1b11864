"""Length and number of the histories of a state machine, with all guards and without one."""

from __future__ import annotations

from hypothesis import Phase, Verbosity, settings

STEPS = 50
FULL = settings.get_current_profile_name() == "full"
#: Only full runs shrink a failure.
WHOLE = settings(
    max_examples=500 if FULL else 25,
    stateful_step_count=STEPS,
    phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
)
#: Run until one history fails.
MUTANTS = settings(
    max_examples=2_000,
    derandomize=True,
    stateful_step_count=STEPS,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    verbosity=Verbosity.quiet,
)
