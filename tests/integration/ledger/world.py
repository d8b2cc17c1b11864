"""What the history of a job plays in: files, Redis beside its oracle, and what workers do."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from celery import Celery

from producer.options import JobOptions
from shared import heartbeat, keys
from shared.broker import CLASSIFY_TASK, connect
from shared.contract import JobRecord, decode_images
from shared.heartbeat import Heartbeat
from shared.ledger import Claim, Ledger, Verdict
from shared.settings import Settings
from tests.integration.ledger.files import Files
from tests.integration.ledger.model import LedgerModel
from tests.integration.ledger.people import Child, Work
from tests.server import RedisServer

JOB = "testjb01"
SETTINGS = Settings(batch_images=2, orphan_s=0.0)
LIMIT_MS = int(SETTINGS.claim_limit_s * 1000)
RECORD = JobRecord(JOB, "model", 1, "0" * 64, "litert", 1, "out.csv", "host", 0.0)
#: Keys of Redis with what is left of their lives in ms (0: for ever), and what the oracle knew.
Moment = tuple[dict[bytes, tuple[int, bytes]], LedgerModel]


class World:
    """Redis, its oracle, the files, and the people at work."""

    def __init__(self, server: RedisServer, app: Celery, folder: Path) -> None:
        self.client = connect(server.url, "test")
        self.app = app
        self.folder = folder
        self.journal = folder / "out.csv.hangtag"
        self.files = Files(folder)
        (folder / "pics").mkdir()
        self.options = JobOptions((b"pics",), bytes(folder), str(folder / "out.csv"))
        self.model = LedgerModel(LIMIT_MS)
        self.ledger = Ledger(self.client, JOB, SETTINGS.claim_limit_s)
        self._last_ms = 0
        self.client.flushall()
        self.client.script_flush()

    def now_ms(self) -> int:
        """The server's clock, which has moved on since it was asked last."""
        while (now := heartbeat.server_ms(self.client)) <= self._last_ms:
            time.sleep(0.0002)
        self._last_ms = now
        return now

    def hint(self, batch: int) -> None:
        """A hint that does not come from the producer."""
        self.app.send_task(CLASSIFY_TASK, args=(JOB, batch), queue=keys.CLASSIFY_QUEUE)

    def take_hint(self) -> int | None:
        """The batch of the oldest hint, which is out of the queue then."""
        message = cast(bytes | None, self.client.rpop(keys.CLASSIFY_QUEUE))
        if message is None:
            return None
        (job, batch), _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
        assert job == JOB
        return int(batch)

    def claim(self, child: Child, batch: int) -> Claim:
        """Claim, compare with the oracle, and have the work in hand."""
        expected = self.model.claim(batch, child.owner, self.now_ms())
        claim = self.ledger.claim(batch, child.owner)
        assert claim.verdict is expected
        if claim.verdict is Verdict.RUN:
            self.model.claimed(batch, child.owner, self._claimed_at(batch, child.owner))
            assert claim.deaths == self.model.deaths.get(batch, 0)
            assert claim.crashes == self.model.crashed.get(batch, {})
            images = decode_images(claim.payload)
            child.work = Work(batch, images, claim.careful, claim.convicted)
        return claim

    def complete(self, batch: int, result: bytes) -> None:
        assert self.ledger.complete(batch, result) is self.model.complete(batch, result)

    def take_in_hand(self, batch: int, owner: str, index: int) -> bool:
        """Say which image comes next; False if the claim was lost."""
        self.now_ms()
        mine = self.model.take_in_hand(batch, owner, index)
        assert self.ledger.careful(batch, owner, index) is mine
        if mine:
            self.model.renewed(batch, self._claimed_at(batch, owner))
        return mine

    def release(self, batch: int, owner: str) -> None:
        released = self.ledger.release(batch, owner, "no model")
        assert released is self.model.release(batch, owner)

    def bury(self, batch: int, parent: str, pid: int) -> None:
        """A parent reports a death, and hints at the batch if it counted."""
        owner = f"{parent}/{pid}:{7 * pid}"
        buried = self.ledger.bury(batch, f"{parent}/{pid}:")
        assert buried is self.model.bury(batch, owner)
        if buried:
            self.hint(batch)

    def cancel(self) -> None:
        assert self.ledger.cancel() is self.model.cancel()

    def beat(self, parent: str, children: Sequence[str]) -> None:
        """A heartbeat that lists these children."""
        at_ms = self.now_ms()
        heartbeat.beat(
            self.client,
            Heartbeat(parent, "host", 1, keys.CLASSIFY_QUEUE, list(children), [], 0, 0.0, 0, at_ms),
            ttl_s=600,
        )
        self.model.beats[parent] = (at_ms, frozenset(children))

    def silence(self, parent: str) -> None:
        """The heartbeat of a parent expires."""
        self.client.delete(keys.worker(parent))
        self.model.beats.pop(parent, None)

    def let_claims_expire(self) -> None:
        """As if every claim had been made so long ago that it is worth nothing any more."""
        for batch, (who, at_ms) in self.model.owner.items():
            early = at_ms - LIMIT_MS - 1
            self.client.hset(keys.job(JOB, "owner"), str(batch), f"{who}|{early}")
            self.model.owner[batch] = (who, early)

    def flush(self) -> None:
        """Redis loses everything, scripts as well."""
        self.client.flushall()
        self.client.script_flush()
        self.model = LedgerModel(LIMIT_MS)

    def lose(self, part: str) -> None:
        """Redis loses one key of the job, but not the others."""
        self.client.delete(keys.job(JOB, part))
        if part == "record":
            self.model.known, self.model.state = False, None
        else:
            getattr(self.model, part).clear()

    def snapshot(self) -> Moment:
        """This moment of Redis."""
        dump = {}
        for key in cast(list[bytes], self.client.keys("*")):
            dump[key] = (max(0, self.client.pttl(key)), cast(bytes, self.client.dump(key)))
        return dump, self.model.copy()

    def restore(self, moment: Moment) -> None:
        """Redis comes back as it was: whatever was written since is lost."""
        self.flush()
        for key, (ttl_ms, data) in moment[0].items():
            self.client.restore(key, ttl_ms, data)
        self.model = moment[1].copy()

    def check_ledger(self) -> None:
        """Redis holds what the oracle says, and nothing of the job that would stay for ever."""
        names = {part: keys.job(JOB, part) for part in keys.JOB_PARTS}
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hget(names["record"], "state")
            for part in ("payload", "owner", "deaths", "careful", "crashed"):
                pipe.hgetall(names[part])
            pipe.get(names["done"])
            pipe.xrange(names["results"])
            for name in names.values():
                pipe.pttl(name)
            state, payload, owner, deaths, careful, crashed, done, stream, *ttls = pipe.execute()
        model = self.model
        assert (state and state.decode()) == model.state
        assert {int(n) for n in payload} == model.payload
        claims = {n: f"{who}|{at}".encode() for n, (who, at) in model.owner.items()}
        assert _numbered(owner) == claims
        assert {n: int(d) for n, d in _numbered(deaths).items()} == model.deaths
        assert {n: int(i) for n, i in _numbered(careful).items()} == model.careful
        assert {n: json.loads(c) for n, c in _numbered(crashed).items()} == {
            n: {str(i): d for i, d in counts.items()} for n, counts in model.crashed.items()
        }
        assert bits(done or b"") == model.done
        assert [(int(f[b"b"]), f[b"r"]) for _, f in stream] == model.results
        assert all(ttl == -2 or 0 < ttl <= SETTINGS.job_ttl_s * 1000 for ttl in ttls)

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()

    def job_keys(self) -> list[bytes]:
        """Every key of the job, whatever it is called."""
        return [key for key in cast(list[bytes], self.client.keys("*")) if JOB.encode() in key]

    def _claimed_at(self, batch: int, owner: str) -> int:
        claim = cast(bytes, self.client.hget(keys.job(JOB, "owner"), str(batch))).decode()
        who, _, at = claim.rpartition("|")
        assert who == owner
        assert int(at) >= self._last_ms
        self._last_ms = int(at)
        return self._last_ms


def bits(data: bytes) -> set[int]:
    """The numbers of the bits that are set."""
    return {8 * i + j for i, byte in enumerate(data) for j in range(8) if byte & (128 >> j)}


def _numbered(fields: dict[bytes, bytes]) -> dict[int, Any]:
    return {int(n): value for n, value in fields.items()}
