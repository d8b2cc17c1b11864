"""By path the batches are the same as inline; what workers cannot read is sent inline."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from producer.job.job_options import JobOptions
from producer.job.journal import Journal
from producer.job.records import FrozenBatch, StoredResult
from producer.run.batcher import Batch, Batcher, read_batch_again
from producer.run.file_transport import EVERY_SIZE, Transport, check_below
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import UsageError
from shared.messages.batch import decode_payload, encode_images
from shared.messages.files import AUTO, INLINE, PATH, UNSEEN, Reference
from shared.settings import Settings
from tests.support.archives.archive_writers import write
from tests.support.jobs.finished_job import options_of
from tests.support.jobs.image_blobs import decode_images
from tests.unit.run.test_batcher import bounds, contents, formed, image_files
from worker.classify.file_access import SharedFiles

LARGE_BYTES = 16 << 10
REFUSALS_MAX = 3
ELSEWHERE = "redis://elsewhere"


def by_path(options: JobOptions, settings: Settings, kind: str = PATH) -> list[Batch]:
    transport = Transport(msgspec.structs.replace(options, transport=kind), settings)
    batches = Batcher(RowFiles(JobSources(options)), settings, transport)
    return list(iter(batches.next, None))


def rooted(root: Path | str) -> Settings:
    return Settings(redis_url=ELSEWHERE, root=str(root))


@given(contents, bounds)
def test_both_transports_form_the_same_batches_and_a_worker_reads_the_same_bytes(
    contents: list[bytes], bounds: Settings
) -> None:
    with image_files(contents) as options:
        inline, path = formed(options, bounds), by_path(options, bounds)
        assert [(b.frozen.n, b.frozen.names, b.frozen.stamps) for b in path] == [
            (b.frozen.n, b.frozen.names, b.frozen.stamps) for b in inline
        ]
        for one, other in zip(path, inline, strict=True):
            assert one.refers
            assert not other.refers
            assert all(isinstance(image, Reference) for image in decode_payload(one.blob))
            assert SharedFiles("/").read(decode_payload(one.blob)) == decode_images(other.blob)
            assert (
                encode_images(read_batch_again(RowFiles(JobSources(options)), one.frozen))
                == other.blob
            )


def test_without_a_choice_this_machines_workers_open_large_files(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    sizes = (0, 1, LARGE_BYTES - 1, LARGE_BYTES, 3 * LARGE_BYTES)
    for n, size in enumerate(sizes):
        (tmp_path / "p" / f"{n}.png").write_bytes(b"x" * size)
    options = JobOptions((b"p",), bytes(tmp_path), "/out.csv")
    assert options.transport == AUTO
    (inline,), (auto,) = formed(options, Settings()), by_path(options, Settings(), AUTO)
    assert (auto.frozen.names, auto.frozen.stamps) == (inline.frozen.names, inline.frozen.stamps)
    images = decode_payload(auto.blob)
    assert [isinstance(image, Reference) for image in images] == [n >= LARGE_BYTES for n in sizes]
    assert SharedFiles("/").read(images) == decode_images(inline.blob)
    (elsewhere,) = by_path(options, rooted(tmp_path), AUTO)
    assert decode_images(elsewhere.blob) == decode_images(inline.blob)


def test_a_file_outside_the_root_is_sent_inline_beside_references(tmp_path: Path) -> None:
    for folder in ("in", "outside", "in2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(folder.encode())
    (tmp_path / "list").write_bytes(b"outside/x.png\nin/x.png\nin2/x.png\n")
    options = JobOptions((), bytes(tmp_path), "/out.csv", list_file=b"list")
    (batch,) = by_path(options, rooted(tmp_path / "in"))
    outside, inside, alike = decode_payload(batch.blob)
    assert (outside, alike) == (b"outside", b"in2")
    assert isinstance(inside, Reference)
    assert inside.path == b"x.png"
    assert batch.frozen.digests == b""  # partial digests could not be assigned to files


def test_a_file_in_an_archive_or_with_a_path_that_no_system_call_takes_is_sent_inline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.zip", {"1.png": b"in an archive"})
    part = "/".join(12 * ["d" * 200])
    (tmp_path / part).mkdir(parents=True)
    (tmp_path / "link").symlink_to(part)
    monkeypatch.chdir(tmp_path / "link")
    Path(part).mkdir(parents=True)
    Path(part, "2.png").write_bytes(b"far below")
    folder = f"link/{part}".encode()
    (batch,) = by_path(options_of(tmp_path, b"a.zip", folder), rooted(tmp_path))
    assert decode_payload(batch.blob) == [b"in an archive", b"far below"]


def refuse(transport: Transport, batch: int) -> None:
    transport.sent(batch)
    transport.lost(batch, lambda: f"{UNSEEN}: no root")


def test_after_consecutive_refusals_the_rest_is_sent_inline() -> None:
    with image_files([b"a"]) as options:
        transport = Transport(msgspec.structs.replace(options, transport=PATH), Settings())
        for n in range(3 * REFUSALS_MAX):
            if n % REFUSALS_MAX == 0:
                transport.sent(n)
                transport.finished(n)
            else:
                refuse(transport, n)
            assert transport.inline_bytes == 0
        assert transport.explained(f"{UNSEEN}: x") == f"{UNSEEN}: x; their bytes are sent"
        transport.lost(0, lambda: f"{UNSEEN}: an old one, that was sent inline since")
        transport.sent(100)
        transport.lost(100, lambda: "the server was restarted")
        assert transport.inline_bytes == 0
        refuse(transport, 101)
        assert transport.inline_bytes == EVERY_SIZE
        assert "; from here on the bytes of all" in transport.explained(f"{UNSEEN}: x")
        assert transport.explained("no model") == "no model"
        assert transport.explained("") == ""


def test_typed_paths_must_be_below_the_root(tmp_path: Path) -> None:
    for folder in ("in/p", "out", "in2"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "in/link").symlink_to("../out")
    settings = rooted(tmp_path / "in")
    for typed in (b"out", b"in2", b"in/link", b"in/../out", b"."):
        options = JobOptions((typed,), bytes(tmp_path), "/out.csv", transport=PATH)
        with pytest.raises(UsageError, match="HANGTAG_ROOT"):
            check_below(JobSources(options), settings)
        for kind in (AUTO, INLINE):
            check_below(JobSources(msgspec.structs.replace(options, transport=kind)), settings)
    for typed in (b"in/p", b"in", b"out/../in/p"):
        check_below(
            JobSources(JobOptions((typed,), bytes(tmp_path), "/o", transport=PATH)), settings
        )


def test_digests_from_the_worker_are_stored_and_replace_no_others(
    tmp_path: Path,
) -> None:
    with closing(Journal(tmp_path / "journal")) as journal:
        stamps = [(1, 2)]
        frozen = [
            FrozenBatch(0, 0, [b"a"], stamps),
            FrozenBatch(1, 0, [b"b"], stamps, b"mine"),
            FrozenBatch(2, 0, [b"c"], stamps),
        ]
        results = [StoredResult(n, b"result", 0, {}, b"they") for n in (0, 1)]
        journal.commit(frozen, [*results, StoredResult(2, b"result", 0)])
        journal.commit(results=[StoredResult(n, b"late", 0, {}, b"late") for n in (0, 1)])
        assert [journal.batch(n).digests for n in range(3)] == [b"they", b"mine", b""]
