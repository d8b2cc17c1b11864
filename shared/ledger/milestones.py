"""How far the work of a request has got, as a number that rises with it in every attempt.

A further stage, epoch, fold, file or image raises it. Attempts are limited where it does not rise
(lua/request/renew.lua), so that a long training survives any number of deaths, and work that kills
its trainer at one place does not.
"""

from __future__ import annotations

from shared.messages.requests import Progress

#: The stages of all handlers, in an order that fits each of them; others come before.
STAGES = (
    "loading",
    "checking",
    "training",
    "exporting",
    "evaluating",
    "drawing",
    "publishing",
    "promoting",
)
#: More than the steps of a stage, and the epochs of a network.
_STEPS = 10**12


def milestone(progress: Progress) -> int:
    """What the work has reached. An epoch in progress is reached when the one before it is stored;
    its steps are not, nor are those of a part of a stage. The folds of a head are stored nowhere,
    but there are few of them, and each takes seconds."""
    rank = 1 + STAGES.index(progress.stage) if progress.stage in STAGES else 0
    within = progress.epoch or (0 if progress.part else progress.step)
    return rank * _STEPS + max(0, min(within, _STEPS - 1))
