"""Job records and the workers that can read them."""

from __future__ import annotations

import msgspec
import pytest

from shared import keys
from shared.messages import job_record
from shared.messages.job_record import JobRecord, decode_job, encode_job, generation, newest, served
from tests.support.jobs.newer_record import GENERATION, NewerRecord, newer

RECORD = JobRecord("abcdefgh", "name", 1, "0" * 64, "litert", 3, "out.csv", "host", 0.5)
PLAIN = NewerRecord(*msgspec.structs.astuple(RECORD))
NEWER = msgspec.structs.replace(PLAIN, columns=("hue",))


class FirstRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen copy: what the first workers read."""

    id: str
    name: str
    version: int
    card_sha256: str
    runtime: str
    top_k: int
    output: str
    host: str
    created: float


def test_a_job_that_needs_nothing_new_is_readable_by_the_first_workers() -> None:
    first = msgspec.json.decode(encode_job(RECORD), type=FirstRecord)
    assert msgspec.structs.asdict(first) == msgspec.structs.asdict(RECORD)
    assert generation(RECORD) == 1
    assert keys.classify_queue(generation(RECORD)) == "hangtag:classify"
    with newer():
        assert encode_job(PLAIN) == encode_job(RECORD)
        assert generation(PLAIN) == 1
        assert decode_job(encode_job(PLAIN)) == PLAIN


def test_a_job_that_needs_a_later_field_is_for_workers_that_know_it() -> None:
    assert keys.classify_queue(GENERATION) not in served()
    with newer():
        assert generation(NEWER) == GENERATION
        assert served() == [keys.classify_queue(1), keys.classify_queue(GENERATION)]
        assert decode_job(encode_job(NEWER)) == NEWER
        with pytest.raises(msgspec.ValidationError, match="columns"):
            msgspec.json.decode(encode_job(NEWER), type=FirstRecord)


def test_each_field_that_the_first_workers_do_not_know_states_its_generation() -> None:
    """Without it, older workers would get the job's batches, and release them without end."""
    later = JobRecord.__struct_fields__[len(FirstRecord.__struct_fields__) :]
    assert set(later) == set(job_record.SINCE)
    assert len(JobRecord.__struct_defaults__) == len(later)
    assert sorted({1, *job_record.SINCE.values()}) == list(range(1, newest() + 1))
