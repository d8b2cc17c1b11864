"""The generator: draws all that happens in a round from its seed before anything runs."""

from __future__ import annotations

import random
from collections.abc import Collection

import msgspec

#: Kind of fault -> its target, and its least and longest duration in seconds. A kill lasts until
#: the replacement starts.
KINDS: dict[str, tuple[str, float, float]] = {
    "child_killed": ("worker", 0.0, 0.0),
    "child_asleep": ("worker", 0.5, 4.0),
    "worker_killed": ("worker", 0.0, 3.0),
    "worker_asleep": ("worker", 3.0, 5.0),  # longer than a heartbeat's TTL
    "worker_ended": ("worker", 0.0, 0.0),
    "producer_killed": ("producer", 0.0, 2.0),
    "producer_interrupted": ("producer", 0.0, 2.0),
    "producer_asleep": ("producer", 0.5, 4.0),
    "server_killed": ("server", 0.0, 4.0),
    "server_rewound": ("server", 0.3, 1.5),
    "server_frozen": ("server", 0.5, 4.0),
    "server_emptied": ("server", 0.0, 0.0),
    "memory_squeezed": ("server", 0.5, 4.0),
    "connections_reset": ("server", 0.0, 0.0),
    "trainer_killed": ("trainer", 0.0, 2.0),
    "trainer_child_killed": ("trainer", 0.0, 0.0),
    "trainer_asleep": ("trainer", 11.0, 13.0),
    "disk_full": ("disk", 0.5, 3.0),
    "link_down": ("link", 0.5, 6.0),
}
#: Weights above 1, for kinds whose victim may have a batch in progress.
OFTEN = {"child_killed": 3, "child_asleep": 2, "worker_killed": 2, "worker_asleep": 2}
#: Each may cost a training an attempt, and the third attempt is its last.
TRAINER_FAULTS_MAX = 2
_FIRST_S, _GAP_S = 0.3, (0.2, 2.0)
_STEPS = (10, 20)
_BATCHES = (1_500, 4_000)
_BATCH_IMAGES = (1, 8)


class Step(msgspec.Struct, frozen=True):
    """One fault: its start, in seconds from the round's first claim, and its duration."""

    kind: str
    at_s: float
    hold_s: float
    victim: int  #: its number, modulo the number of possible victims

    def target(self, workers: int) -> tuple[str, int]:
        """The target. It has one fault at a time, so that each fault is healed on its own."""
        target = KINDS[self.kind][0]
        return target, self.victim % workers if target == "worker" else 0


class Plan(msgspec.Struct, frozen=True):
    """A whole round, as drawn from its seed."""

    seed: str
    round: int
    batches: int
    batch_images: int
    workers: int
    children: int  #: per worker
    network: bool  #: every process in its own network namespace, the server behind links
    training: bool  #: a training is requested beside the job
    steps: tuple[Step, ...]

    @property
    def images(self) -> int:
        """The number of rows; the last batch is not full."""
        return self.batches * self.batch_images - self.batch_images // 2


def make(seed: str, number: int, kinds: Collection[str] = tuple(KINDS)) -> Plan:
    """The plan of a round: the same for the same seed, round and kinds."""
    chance = random.Random(f"{seed}/{number}")
    workers = chance.randint(2, 3)
    # The first four rounds cover the four combinations.
    network, training = bool(number % 2), bool(number // 2 % 2)
    return Plan(
        seed=seed,
        round=number,
        batches=chance.randint(*_BATCHES),
        batch_images=chance.randint(*_BATCH_IMAGES),
        workers=workers,
        children=chance.randint(1, 2),
        network=network,
        training=training,
        steps=tuple(_steps(chance, workers, [k for k in KINDS if k in kinds], network, training)),
    )


def _steps(
    chance: random.Random, workers: int, kinds: list[str], network: bool, training: bool
) -> list[Step]:
    sensible = [kind for kind in kinds if _makes_sense(kind, network, training)]
    possible = [kind for kind in sensible for _ in range(OFTEN.get(kind, 1))]
    steps: list[Step] = []
    free_s: dict[tuple[str, int], float] = {}
    now_s, trainer_faults = _FIRST_S, 0
    for _ in range(chance.randint(*_STEPS) if possible else 0):
        kind = chance.choice(possible)
        target, least_s, most_s = KINDS[kind]
        now_s += chance.uniform(*_GAP_S)
        hold_s, victim = chance.uniform(least_s, most_s), chance.randrange(1_000)
        if target == "trainer":
            trainer_faults += 1
            if trainer_faults > TRAINER_FAULTS_MAX:
                continue
        step = Step(kind, round(now_s, 3), round(hold_s, 3), victim)
        one = step.target(workers)
        now_s = max(now_s, free_s.get(one, 0.0))
        free_s[one] = now_s + hold_s + _GAP_S[0]
        steps.append(msgspec.structs.replace(step, at_s=round(now_s, 3)))
    return steps


def _makes_sense(kind: str, network: bool, training: bool) -> bool:
    target = KINDS[kind][0]
    return (target != "trainer" or training) and (target != "link" or network)
