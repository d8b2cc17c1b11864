"""The environment of a job's history: files, Redis with its oracle, and actions of workers."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

from celery import Celery

from producer.job.job_options import JobOptions
from shared import keys
from shared.broker.message_filter import CLASSIFY_TASK
from shared.broker.redis_client import connect
from shared.errors import BadMessage, ForeignKey
from shared.image_status import Status
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import LOADING, BatchLedger, Claim, ClaimVerdict
from shared.ledger.heartbeats import Heartbeat
from shared.messages.batch import JobRecord, encode_images, max_result_bytes
from shared.messages.files import INLINE
from shared.messages.model_card import Card, Metrics, Preprocessing
from shared.settings import Settings
from tests.integration.state_machines.batches.files import LABELS, Files
from tests.integration.state_machines.batches.model import RUBBISH, LedgerModel
from tests.integration.state_machines.batches.workers import Child, Work
from tests.mutants.promise import agree, promise
from tests.support.jobs.image_blobs import decode_images
from tests.support.servers.redis_server import RedisServer

JOB = "testjb01"
SETTINGS = Settings(batch_images=2, orphan_s=0.0)
LIMIT_MS = int(SETTINGS.claim_limit_s * 1000)
MAX_RESULT_BYTES = max_result_bytes(1)
TOO_LARGE = bytes(MAX_RESULT_BYTES + 1)  #: accepted while the record holds only the state
JOB_TTL_MS = int(SETTINGS.job_ttl_s * 1000)
RECORD = JobRecord(JOB, "model", 1, "0" * 64, "litert", 1, "out.csv", "host", 0.0)
CARD = Card(
    "model", 1, tuple(map(str, range(LABELS))), Preprocessing(1, 1, 1), 1.0,
    Metrics(0.0, 0, 0.0, 0.0), "", 0, 0, 0, "", "", "", "", {},
)  # fmt: skip
#: No JSON; JSON, but no object.
UNREADABLE = (b"rubbish", b"5")
#: Heartbeats as another version may write them: they count as liveness of CHILD, too.
FOREIGN_BEATS = (
    *UNREADABLE,
    b'{"children":5,"at_ms":LATER}',
    b'{"children":[],"at_ms":"x"}',
    b'{"children":["CHILD"],"at_ms":LATER}',
    b'{"children":["CHILD"],"at_ms":LATER,"idle":5}',
)
FUTURE_MS = 10_000
#: Keys with their remaining time to live in ms (0: no expiry) and dumps, and the oracle's state.
Moment = tuple[dict[bytes, tuple[int, bytes]], LedgerModel]


class World:
    """Redis, its oracle and the files."""

    def __init__(self, server: RedisServer, app: Celery, folder: Path) -> None:
        self.client = connect(server.url, "test")
        self.app = app
        self.folder = folder
        self.journal = folder / "out.csv.hangtag"
        self.files = Files(folder)
        (folder / "pics").mkdir()
        # The model of the ledger knows the bytes of payloads.
        self.options = JobOptions(
            (b"pics",), bytes(folder), str(folder / "out.csv"), transport=INLINE
        )
        self.model = LedgerModel(LIMIT_MS, MAX_RESULT_BYTES)
        self.ledger = BatchLedger(self.client, JOB, SETTINGS.claim_limit_s)
        self._last_ms = 0
        self.client.flushall()
        self.client.script_flush()

    def now_ms(self) -> int:
        """The server's clock; waits until it differs from the value of the last call."""
        while (now := heartbeats.server_ms(self.client)) <= self._last_ms:
            time.sleep(0.0002)
        self._last_ms = now
        return now

    def hint(self, batch: int) -> None:
        """Send a hint that is not the producer's."""
        self.app.send_task(CLASSIFY_TASK, args=(JOB, batch), queue=keys.CLASSIFY_QUEUE)

    def take_hint(self) -> int | None:
        """Remove the oldest hint from the queue and return its batch."""
        message = cast(bytes | None, self.client.rpop(keys.CLASSIFY_QUEUE))
        if message is None:
            return None
        (job, batch), _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
        assert job == JOB
        return int(batch)

    def claim(self, child: Child, batch: int) -> Claim:
        """Claim, compare with the oracle, and give the work to the child."""
        expected = self.model.claim(batch, child.owner, self.now_ms())
        claim = self.ledger.claim(batch, child.owner)
        agree(claim.verdict, expected)
        if claim.verdict is ClaimVerdict.RUN:
            self.model.claimed(batch, child.owner, self._claimed_at(batch, child.owner))
            agree(claim.deaths, max(0, self.model.deaths.get(batch, 0)))
            agree(claim.crashes, self.model.crashed.get(batch) or {})
            images = decode_images(claim.payload)
            child.work = Work(batch, images, claim.one_by_one, claim.crashed_images)
        return claim

    def complete(self, batch: int, owner: str, result: bytes) -> None:
        found: bool | None
        expected = self.model.complete(batch, owner, result, self.now_ms())
        try:
            found = self.ledger.complete(batch, owner, result)
        except BadMessage:
            found = None
        agree(found, expected)

    def offer_late(self, batch: int, images: Sequence[bytes | Status]) -> None:
        """Store the images of a batch that is done again."""
        payload = keys.job(JOB, "payload")
        self.client.hset(payload, str(batch), encode_images(images))
        self.client.pexpire(payload, JOB_TTL_MS)
        self.model.payload.add(batch)

    def mark_image(self, batch: int, owner: str, index: int) -> bool:
        """Report the next image; False if the claim was lost."""
        self.now_ms()
        expected = self.model.mark_image(batch, owner, index)
        agree(self.ledger.mark_image(batch, owner, index), expected)
        if expected:
            self.model.renewed(batch, self._claimed_at(batch, owner))
        return expected

    def loaded(self, batch: int, owner: str) -> None:
        """Report that the model is in memory."""
        self.now_ms()
        expected = self.model.loaded(batch, owner)
        agree(self.ledger.loaded(batch, owner), expected)
        if expected:
            self.model.renewed(batch, self._claimed_at(batch, owner))

    def release(self, batch: int, owner: str, damaged: bool = False) -> None:
        released = self.ledger.release(batch, owner, "no model", damaged)
        agree(released, self.model.release(batch, owner, "no model"))
        if released and damaged:
            self.model.payload.discard(batch)

    def report_death(self, batch: int, parent: str, pid: int) -> None:
        """A parent reports a death, and sends a hint for the batch if the death counted."""
        owner = f"{parent}/{pid}:{7 * pid}"
        counted = self.ledger.report_death(batch, f"{parent}/{pid}:")
        agree(counted, self.model.report_death(batch, owner))
        if counted:
            self.hint(batch)

    def resume(self) -> None:
        """A producer that resumes a lost job has only written the state."""
        record = keys.job(JOB, "record")
        self.client.hset(record, "state", "running")
        self.client.pexpire(record, JOB_TTL_MS)
        self.model.state = "running"

    def survey(self, batches: Sequence[int], workers: Collection[str] = ()) -> None:
        """Survey batches as a producer does, possibly after the job was lost."""
        expected = self.model.survey(batches, workers, self.now_ms())
        agree(self.ledger.survey(batches, workers), expected)

    def cancel(self) -> None:
        agree(self.ledger.cancel(), self.model.cancel())

    def beat(
        self, parent: str, children: Sequence[str], ahead_ms: int = 0, idle: Sequence[str] = ()
    ) -> None:
        """Send a heartbeat with these children, from a clock that is `ahead_ms` fast."""
        at_ms = self.now_ms() + ahead_ms
        heartbeats.beat(
            self.client,
            Heartbeat(
                parent, "host", 1, keys.CLASSIFY_QUEUE, list(children), [], 0, 0.0, 0, at_ms, 0, {},
                list(idle),
            ),
            ttl_s=600,
        )  # fmt: skip
        self.model.beats[parent] = (at_ms, frozenset(children), frozenset(idle))

    def write_unreadable_counts(self, batch: int, unreadable: bytes) -> None:
        """Another client overwrites the counts of deaths and claims another batch."""
        if self.model.state is None:  # without a record the keys would never expire
            return
        for part in ("deaths", "crashed"):
            key = keys.job(JOB, part)
            self.client.hset(key, str(batch), unreadable)
            self.client.pexpire(key, JOB_TTL_MS)
        self.client.hset(keys.job(JOB, "crashed"), str(LOADING), unreadable)
        self.model.deaths[batch] = _count(unreadable)
        self.model.crashed[batch] = self.model.crashed[LOADING] = None
        if others := self.model.owner.keys() - {batch}:
            at_ms = self.now_ms()
            self.client.hset(keys.job(JOB, "owner"), str(min(others)), f"other|{at_ms}")
            self.model.owner[min(others)] = ("other", at_ms)

    def overwrite(self, part: str) -> None:
        """Another client writes another type; a survey stops there until the key is deleted."""
        self.client.delete(keys.job(JOB, part))
        self.client.rpush(keys.job(JOB, part), "x")
        try:
            self.ledger.survey([])
        except ForeignKey:
            self.lose(part)
        else:
            promise(False)

    def write_foreign_beat(self, parent: str, child: str, how: int) -> None:
        """Write a heartbeat of a foreign kind: unreadable, in the future, or no string."""
        key = keys.worker(parent)
        if how > len(FOREIGN_BEATS) + 2:
            return  # the last heartbeat stays; it is older than the claim
        self.silence(parent)
        if how < len(FOREIGN_BEATS):
            at_ms = self.now_ms() + FUTURE_MS // 2
            beat = FOREIGN_BEATS[how].replace(b"LATER", str(at_ms).encode())
            self.client.set(key, beat.replace(b"CHILD", child.encode()), ex=600)
            readable = b"CHILD" in beat
            self.model.beats[parent] = (
                at_ms if readable else RUBBISH, frozenset([child]), frozenset()
            )  # fmt: skip
        elif how == len(FOREIGN_BEATS):
            self.client.rpush(key, b"rubbish")
            self.client.expire(key, 600)
        elif how == len(FOREIGN_BEATS) + 1:
            self.beat(parent, [child], ahead_ms=2 * FUTURE_MS)
            self.model.beats.pop(parent)
        else:
            self.beat(parent, [child], ahead_ms=FUTURE_MS // 2)

    def silence(self, parent: str) -> None:
        """Remove the heartbeat of a parent, as if it had expired."""
        self.client.delete(keys.worker(parent))
        self.model.beats.pop(parent, None)

    def let_claims_expire(self) -> None:
        """Date all claims back until they are past their limit."""
        for batch, (owner, at_ms) in self.model.owner.items():
            expired_ms = max(0, at_ms - LIMIT_MS - 1)
            self.client.hset(keys.job(JOB, "owner"), str(batch), f"{owner}|{expired_ms}")
            self.model.owner[batch] = (owner, expired_ms)

    def flush(self) -> None:
        """Redis loses all data and scripts."""
        self.client.flushall()
        self.client.script_flush()
        self.model = LedgerModel(LIMIT_MS, MAX_RESULT_BYTES)

    def lose(self, part: str) -> None:
        """Redis loses one key of the job."""
        self.client.delete(keys.job(JOB, part))
        if part == "record":
            self.model.known, self.model.state = False, None
        else:
            getattr(self.model, part).clear()

    def snapshot(self) -> Moment:
        dump = {}
        for key in cast(list[bytes], self.client.keys("*")):
            dump[key] = (max(0, self.client.pttl(key)), cast(bytes, self.client.dump(key)))
        return dump, self.model.copy()

    def restore(self, moment: Moment) -> None:
        """Return Redis to a snapshot; everything written since is lost."""
        self.flush()
        for key, (ttl_ms, data) in moment[0].items():
            self.client.restore(key, ttl_ms, data)
        self.model = moment[1].copy()

    def check_ledger(self) -> None:
        """Redis agrees with the oracle, and every key of the job expires."""
        names = {part: keys.job(JOB, part) for part in keys.JOB_PARTS}
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hget(names["record"], "state")
            for part in ("payload", "owner", "deaths", "careful", "crashed"):
                pipe.hgetall(names[part])
            pipe.hvals(names["trouble"])
            pipe.get(names["done"])
            pipe.xrange(names["results"])
            for name in names.values():
                pipe.pttl(name)
            state, payload, owner, deaths, careful, crashed, trouble, done, stream, *ttls = (
                pipe.execute()
            )
        model = self.model
        agree({why.decode() for why in trouble}, model.trouble)
        agree(state and state.decode(), model.state)
        agree({int(n) for n in payload}, model.payload)
        claims = {n: f"{holder}|{at}".encode() for n, (holder, at) in model.owner.items()}
        agree(_numbered(owner), claims)
        agree({n: _count(d) for n, d in _numbered(deaths).items()}, model.deaths)
        agree(_numbered(careful), {n: str(i).encode() for n, i in model.careful.items()})
        agree({n: _counts(c) for n, c in _numbered(crashed).items()}, model.crashed)
        agree(bits(done or b""), model.done)
        agree([(int(f[b"b"]), f[b"r"]) for _, f in stream], model.results)
        promise(all(ttl == -2 or 0 < ttl <= SETTINGS.job_ttl_s * 1000 for ttl in ttls))

    def close(self) -> None:
        self.client.close()

    def job_keys(self) -> list[bytes]:
        """Every key that contains the job's id."""
        return [key for key in cast(list[bytes], self.client.keys("*")) if JOB.encode() in key]

    def _claimed_at(self, batch: int, owner: str) -> int:
        claim = cast(bytes | None, self.client.hget(keys.job(JOB, "owner"), str(batch))) or b""
        found, _, at = claim.decode().rpartition("|")
        agree(found, owner)
        promise(int(at) >= self._last_ms)
        self._last_ms = int(at)
        return self._last_ms


def bits(data: bytes) -> set[int]:
    """The numbers of the bits that are set."""
    return {8 * i + j for i, byte in enumerate(data) for j in range(8) if byte & (128 >> j)}


def _numbered(fields: dict[bytes, bytes]) -> dict[int, Any]:
    return {int(n): value for n, value in fields.items()}


def _count(field: bytes) -> int:
    return int(field) if field.isdigit() else RUBBISH


def _counts(field: bytes) -> dict[int | str, int] | None:
    if field in UNREADABLE:
        return None
    return {int(i) if i.isdigit() else i: n for i, n in json.loads(field).items()}
