"""`hangtag.classify`, with a real server and a worker."""

from __future__ import annotations

import csv
import gc
import io
import logging
import os
import random
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import hangtag
from producer.job.job_index import entries
from shared.labels.class_folders import folder_of
from tests.support.images.gallery import Gallery

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def table(here: Path) -> Iterator[hangtag.Result]:
    with hangtag.classify("pictures/") as result:
        yield result


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_folder_becomes_rows_that_are_those_of_the_commands_table(
    table: hangtag.Result, images: Gallery, here: Path
) -> None:
    rows = list(table)
    lines = list(csv.DictReader(io.StringIO(images.table.decode())))
    assert [row.name for row in rows] == [line["path"] for line in lines]
    assert [row.label for row in rows] == [line["label"] for line in lines]
    assert [f"{row.confidence:.4f}" for row in rows] == [line["confidence"] for line in lines]
    assert all(row.guesses[0].label == row.guess == row.label for row in rows)
    assert all(len(row.guesses) == 3 and row.accepted for row in rows)
    assert (len(table), table.failed, table.finished) == (200, 0, True)
    assert table.counts == dict(Counter(row.label for row in rows).most_common())
    folders = [Path(row.name).parent.name == folder_of(row.label) for row in rows]
    assert table.accuracy == sum(folders) / 200
    assert table.to_csv(here / "all.csv").read_bytes() == images.table


def test_a_watched_folder_has_its_table_until_it_is_stopped(here: Path, images: Gallery) -> None:
    (here / "some").mkdir()
    first, second = (images.cwd / path for path in images.paths[:2])
    shutil.copy2(first, here / "some/1.png")
    stop, changes = hangtag.Stop(), list[hangtag.RowChanged]()

    def see(event: hangtag.Event) -> None:
        if isinstance(event, hangtag.RowChanged):
            changes.append(event)
        if isinstance(event, hangtag.Watching):
            if changes:
                stop.request()
            else:
                os.utime(shutil.copy2(second, here / "2.png"), (1, 1))
                (here / "2.png").rename(here / "some/2.png")

    result = hangtag.classify("some/", output="some.csv", watch=True, progress=see, stop=stop)
    assert [(change.change, change.path) for change in changes] == [("new", "some/2.png")]
    assert [row.name for row in result] == ["some/1.png", "some/2.png"]
    assert [row.label for row in result][1] == changes[0].label
    assert result.verify().proven


def test_a_result_without_an_output_leaves_nothing(here: Path) -> None:
    with hangtag.classify("pictures/") as result:
        assert files(here / "tmp") == [result.output.parent.name]
        assert result.output.name == "pictures.csv"
        assert [entry.output for entry in entries()] == [str(result.output)]
    assert files(here / "tmp") == []
    assert entries() == []
    with pytest.raises(hangtag.UsageError, match="closed"):
        list(result)
    dropped = hangtag.classify("pictures/")
    assert len(files(here / "tmp")) == 1
    del dropped
    gc.collect()
    assert files(here / "tmp") == []
    assert files(here) == ["pictures", "tmp"]


def test_an_output_stays_and_the_same_call_resumes_it(
    here: Path, images: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    with hangtag.classify("pictures/", output="out.csv") as result:
        pass
    assert (here / "out.csv").read_bytes() == images.table
    with caplog.at_level(logging.WARNING, "hangtag"):
        again = hangtag.classify("pictures/", output=here / "out.csv")
    assert again.job == result.job
    assert "is finished already; run it again with classify --restart" in caplog.text
    assert hangtag.classify("pictures", output="out.csv", restart=True).job != result.job
    assert len(hangtag.open_table("out.csv")) == 200


def test_rows_that_carry_no_promise_are_warned_of(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (here / "noise").mkdir()
    for n in range(40):
        Image.frombytes("L", (28, 28), random.Random(n).randbytes(28 * 28)).save(
            here / f"noise/{n}.png"
        )
    for folder, warned in (("pictures", 0), ("noise", 1)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "hangtag"):
            hangtag.classify(folder)
        assert caplog.text.count("the model may not know such images") == warned


def test_a_list_of_any_paths_is_classified_in_its_order(here: Path, images: Gallery) -> None:
    paths = [Path(path) for path in reversed(images.paths)]
    mixed: list[str | bytes | Path] = [str(paths[0]), os.fsencode(paths[1]), *paths[2:]]
    mixed.append("missing.png")
    with hangtag.classify(mixed) as result:
        rows = list(result)
    assert [row.name for row in rows] == [*map(str, paths), "missing.png"]
    assert (rows[-1].status, rows[-1].label, rows[-1].confidence) == ("missing", "", None)
    assert (rows[-1].guesses, rows[-1].accepted) == ((), False)
    assert "no longer existed" in rows[-1].error


def test_one_address_is_a_list_so_that_its_query_is_in_no_sentence(here: Path) -> None:
    with pytest.raises(hangtag.SetupError, match="the same command again") as caught:
        hangtag.classify("http://127.0.0.1:9/a.png?secret=1")
    assert "http://127.0.0.1:9/a.png#1: its host has a local address" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_table_is_brought_up_to_date(here: Path, images: Gallery) -> None:
    (here / "some").mkdir()
    for path in images.paths[:4]:
        shutil.copy(path, here / "some" / Path(path).name)
        os.utime(here / "some" / Path(path).name, (1e9, 1e9))
    names = sorted(os.listdir("some"))
    (here / "some" / names[0]).rename(here / "first.png")
    assert len(hangtag.classify("some", output="out.csv")) == 3
    (here / "first.png").rename(here / "some" / names[0])
    (here / "some" / names[3]).unlink()
    rows = hangtag.classify("some", output="out.csv", update=True)
    assert [Path(row.name).name for row in rows] == names[:3]


def test_two_jobs_at_once_in_threads_are_complete_and_leave_the_process_as_it_is(
    here: Path, images: Gallery, capfd: pytest.CaptureFixture[str]
) -> None:
    results: dict[str, hangtag.Result] = {}
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}

    def started(event: hangtag.Event) -> None:
        assert {n: signal.getsignal(n) for n in handlers} == handlers

    def classify(name: str) -> None:
        results[name] = hangtag.classify("pictures/", output=name, progress=started)

    threads = [threading.Thread(target=classify, args=(name,)) for name in ("a.csv", "b.csv")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("a.csv", "b.csv"):
        assert (here / name).read_bytes() == images.table
        assert results[name].verify(deep=True).proven
    assert capfd.readouterr() == ("", "")


def test_rows_become_arrow_and_parquet(table: hangtag.Result, here: Path) -> None:
    import pyarrow.parquet

    arrow = table.to_arrow()
    assert arrow.num_rows == 200
    assert arrow.schema.metadata[b"hangtag.model"].decode() == table.model
    assert pyarrow.parquet.read_table(table.to_parquet(here / "t.parquet")).equals(arrow)
    with pytest.raises(hangtag.UsageError, match=r"exists.*or replace it with --force"):
        table.to_parquet(here / "t.parquet")


def test_a_temporary_table_is_sorted_and_its_page_needs_a_name(
    table: hangtag.Result, here: Path
) -> None:
    with pytest.raises(hangtag.UsageError, match=r"temporary; name the page with output="):
        table.report()
    assert table.sort("sorted", "copy").count == 200
    assert {path.name for path in Path("sorted").iterdir() if path.is_dir()} >= {"Bag", "Coat"}


def test_events_come_in_the_thread_of_the_caller(here: Path) -> None:
    seen: list[tuple[type, int]] = []
    hangtag.classify(
        "pictures/", progress=lambda event: seen.append((type(event), threading.get_ident()))
    ).close()
    assert {thread for _, thread in seen} == {threading.get_ident()}
    assert {kind for kind, _ in seen} >= {hangtag.Started, hangtag.Found, hangtag.Stored}
