"""The ledger: claims and results of a job's batches, decided in Redis by Lua scripts.

Celery's messages are hints; this is authoritative while a job runs. Every write is idempotent,
because a command whose reply was lost may be sent again. Neither claiming nor completing creates a
job.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

import msgspec
import redis
from redis.exceptions import ResponseError

from shared import keys
from shared.errors import MISFITS, BadMessage, ForeignKey, is_foreign
from shared.failpoints import failpoint

_SCRIPTS = Path(__file__).parent / "lua" / "batch"
#: An image is blamed after this many deaths; a batch is classified carefully after as many.
BLAMING_DEATHS = 2
#: Stands for the model instead of an image's index; the scripts have the same number.
LOADING = -1


class ClaimVerdict(enum.StrEnum):
    """The verdict on a claim. Only RUN grants the batch."""

    RUN = "run"
    DONE = "done"
    HELD = "held"
    LOST = "lost"
    CANCELLED = "cancelled"
    UNFIT = "unfit"  #: its model crashes the processes of this worker that load it
    UNKNOWN = "unknown"


class BatchState(enum.StrEnum):
    """The ledger's state of a batch that the producer waits for."""

    HELD = "held"  #: a live owner works on it
    FREE = "free"  #: it is not claimed
    FREED = "freed"  #: its owner was dead; the claim was deleted
    DONE = "done"  #: its result is in the stream, or was
    LOST = "lost"  #: its images are not in Redis


class Claim(msgspec.Struct, frozen=True):
    """The result of a claim. The last four fields are set for RUN only."""

    verdict: ClaimVerdict
    record: bytes = b""
    payload: bytes = b""
    deaths: int = 0
    crashes: dict[int, int] = {}  #: image index -> deaths while a careful child worked on it

    @property
    def one_by_one(self) -> bool:
        """Whether the batch must be classified one image at a time."""
        return self.deaths >= BLAMING_DEATHS

    @property
    def crashed_images(self) -> frozenset[int]:
        """The images that must not be decoded again."""
        return frozenset(i for i, deaths in self.crashes.items() if deaths >= BLAMING_DEATHS)


class BatchLedger:
    """One job's ledger. `limit_s` bounds how long a claim may be held without a renewal.

    Every method raises redis.exceptions.RedisError if the server is unreachable or full, and
    ForeignKey if a key of the job has another type.
    """

    def __init__(self, client: redis.Redis, job_id: str, limit_s: float) -> None:
        self.job = job_id
        self._client = client
        self._keys = keys.job_keys(job_id)
        self._limit_ms = int(limit_s * 1000)
        self.results = keys.job(job_id, "results")

    def claim(self, batch: int, owner: str) -> Claim:
        """Claim a batch. A repeated claim of the same owner returns the same result."""
        answer = cast(list[bytes], self._run("claim", batch, owner, self._limit_ms))
        verdict = ClaimVerdict(answer[0].decode())
        if verdict is not ClaimVerdict.RUN:
            return Claim(verdict)
        return Claim(
            verdict,
            record=answer[1],
            payload=answer[2],
            deaths=_count(answer[3]),
            crashes=_crashes(answer[4]),
        )

    def complete(self, batch: int, owner: str, result: bytes) -> bool:
        """Add a result; True if it is the batch's first, and no other live owner holds the batch.

        Raises:
            BadMessage: it exceeds the job's limit on results.
        """
        answer = self._run("complete", batch, owner, self._limit_ms, result)
        if answer == b"large":
            raise BadMessage(f"a result of {len(result)} bytes is too large for its job")
        return answer == b"first"

    def release(self, batch: int, owner: str, why: str, damaged: bool = False) -> bool:
        """Release a batch unfinished, with the reason for `status`; True if it was held.

        `damaged` images are deleted: the producer reads them again from disk.
        """
        return self._run("release", batch, owner, why, int(damaged)) == 1

    def report_death(self, batch: int, child: str) -> bool:
        """Report a child's death; `child` is `parent/pid:`. True if it held the batch."""
        return self._run("report_death", batch, child) == 1

    def mark_image(self, batch: int, owner: str, index: int) -> bool:
        """Record the next image; False if the claim is lost and the owner must stop."""
        return self._run("mark_image", batch, owner, index) == 1

    def loaded(self, batch: int, owner: str) -> bool:
        """Record that the model is loaded, after `mark_image` with LOADING; False as there."""
        return self._run("mark_image", batch, owner, "") == 1

    def cancel(self) -> bool:
        """Make all waiting work of the job a no-op; False if the job is not in Redis."""
        return self._run("cancel") == 1

    def survey(
        self, batches: Sequence[int], workers: Collection[str] = ()
    ) -> tuple[str, list[BatchState]]:
        """The job's state (`running`, `cancelled`, `deadly`, `unknown`) and that of each batch.

        Deadly: no batch is held, and loading the model crashes the processes of all `workers`, the
        ids of those that are alive.
        """
        alive = msgspec.json.encode(list(workers))
        answer = cast(list[bytes], self._run("survey", self._limit_ms, alive, *batches))
        return answer[0].decode(), [BatchState(state.decode()) for state in answer[1:]]

    def _run(self, name: str, *args: int | str | bytes) -> object:
        script = self._client.register_script(SCRIPTS[name])
        try:
            answer = script(keys=self._keys, args=args)
        except ResponseError as error:
            if is_foreign(error):
                raise ForeignKey(keys.job(self.job, "*")) from error
            raise
        failpoint(f"ledger.{name}")
        return answer


def _count(field: bytes) -> int:
    """A counter; 0 if it is invalid."""
    return int(field) if field.isdigit() and len(field) < 10 else 0


def _crashes(field: bytes) -> dict[int, int]:
    """Deaths by image; none if the field is invalid."""
    try:
        return msgspec.json.decode(field, type=dict[int, int])
    except MISFITS:
        return {}


def _read(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")


_NAMES = ("claim", "complete", "release", "report_death", "mark_image", "survey", "cancel")
#: The Lua text of each operation, by name.
SCRIPTS = {name: _read("prelude") + _read(name) for name in _NAMES}
