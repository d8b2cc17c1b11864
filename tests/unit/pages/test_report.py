"""`hangtag report`: one harmless file of bounded size, with what the table and its files have."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from producer.cli.main import hangtag
from producer.job.acceptance import at_precision, doubtless
from producer.job.row_batch import Row
from producer.pages import report
from producer.pages.survey import BINS, Choice, Survey
from producer.run.job import Job
from producer.table.table_formats import format_of
from shared.errors import Exit
from shared.labels.class_folders import folder_of
from shared.messages.model_card import card_sha256, decode_card, encode_card
from shared.registry import packaged
from tests.support.images import image_zoo
from tests.support.images.encoders import save
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.made_results import Answer, answers, batches
from tests.support.pages.parsed import Parsed

HOSTILE = (
    b"<script>alert(1)</script>.png",
    b'"><img src=x onerror=alert(1)>.png',
    b"' onmouseover='alert(1).png",
    b"javascript:alert(1).png",
    b"{{ 7*7 }}{% raw %}.png",
    b"\xff\xfe.png",
    "\u202egnp.evil.png".encode(),
    b"new\nline\x1b[31m.png",
    b"&lt;b&gt;&#x3c;.png",
    b"]]>--><!--.png",
)
FAILED_ROWS = 200
FLAG_ROWS = 100
LABEL_ROWS = 800
MOST_OF_LABEL = 40
MOST_OF_PAIR = 12
PAIR_ROWS = 300
CARD = packaged.card()
FOLDERS = [folder_of(label) for label in CARD.labels]


def picture(shade: int) -> bytes:
    return save(Image.new("L", (28, 28), shade), "PNG")


def plant(folder: Path, names: tuple[bytes, ...], **more: object) -> Path:
    """A finished job of these files, one of which fails, below a class folder."""
    root = folder / "in" / "Coat"
    root.mkdir(parents=True)
    for i, name in enumerate(names):
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)  # a name with a slash
        path.write_bytes(picture(i))
    (root / "rubbish.png").write_bytes(RUBBISH)
    finish(options_of(folder, b"in", **more))
    return folder / "out.csv"


def run(table: Path, *more: str) -> Result:
    return CliRunner().invoke(hangtag, ["report", str(table), "--json", *more])


def written(table: Path, *more: str) -> tuple[report.Written, Parsed]:
    result = run(table, *more)
    assert result.exit_code == Exit.OK, result.output
    found = msgspec.json.decode(result.stdout, type=report.Written)
    html = Path(found.report).read_text(encoding="utf-8")
    assert len(html.encode()) == found.bytes
    return found, Parsed(html)


def test_a_report_shows_every_row_of_a_small_table(tmp_path: Path) -> None:
    names = tuple(b"%d.png" % i for i in range(12))
    found, page = written(plant(tmp_path, names))
    assert (found.rows, found.pictures, found.notice) == (13, 12, "")
    assert found.report == str(tmp_path / "out.html")
    page.check_harmless()
    thumbnails = [image for image in page.all("img") if image["alt"].startswith("Row")]
    assert len({image["src"] for image in thumbnails}) == 12  # each its own picture
    text = "".join(page.text)
    for name in (*names, b"rubbish.png"):
        assert f"in/Coat/{name.decode()}" in text
    assert "unsupported" in text
    assert "fashion-mnist@0" in text
    assert all(image["alt"] for image in page.all("img"))


def test_hostile_names_are_text(tmp_path: Path) -> None:
    found, page = written(plant(tmp_path, HOSTILE))
    assert found.pictures == len(HOSTILE)
    page.check_harmless()
    text = "".join(page.text)
    assert "<script>alert(1)</script>.png" in text
    assert "{{ 7*7 }}{% raw %}.png" in text
    assert "&lt;b&gt;&#x3c;.png" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_hostile_labels_are_text(tmp_path: Path) -> None:
    table = plant(tmp_path, (b"1.png", b"2.png", b"3.png"))
    labels = tuple(f"</script><script>alert({i})</script>" for i in range(10))
    relabel(table, labels)
    _, page = written(table)
    page.check_harmless()
    assert "</script><script>alert(" in "".join(page.text)


def relabel(table: Path, labels: tuple[str, ...]) -> None:
    """Give the model of a job other labels."""
    with closing(Job(options_of(table.parent, b"in"))) as job:
        card = decode_card(job.journal.get("card") or b"")
        card = msgspec.structs.replace(card, labels=labels)
        record = msgspec.structs.replace(job.journal.record, card_sha256=card_sha256(card))
        job.journal.put(card=encode_card(card), record=msgspec.json.encode(record))


def test_only_the_pictures_that_were_classified_are_shown(tmp_path: Path) -> None:
    table = plant(tmp_path, (b"gone.png", b"same.png", b"other.png", b"bad.png"))
    folder = tmp_path / "in/Coat"
    (folder / "gone.png").unlink()
    (folder / "other.png").write_bytes(picture(99))
    (folder / "same.png").touch()  # another time, the same content
    _, page = written(table)
    text = "".join(page.text)
    assert "The file is no longer where it was classified." in text
    assert "The file has changed since it was classified." in text
    shown = [image["alt"] for image in page.all("img") if image["alt"].startswith("Row")]
    assert sorted(alt.partition(": ")[2] for alt in shown) == ["bad.png", "same.png"]


def test_hostile_pictures_are_placeholders(tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    (root / "bomb.png").write_bytes(image_zoo.bomb())
    (root / "page.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (root / "good.png").write_bytes(picture(5) + b"<script>alert(1)</script>")
    finish(options_of(tmp_path, b"in"))  # it labels whatever is not RUBBISH
    found, page = written(tmp_path / "out.csv")
    page.check_harmless()
    assert found.pictures == 3
    assert sum(image["alt"].startswith("Row") for image in page.all("img")) == 1
    text = "".join(page.text)
    assert "The file has more bytes or pixels than Hangtag accepts." in text


@pytest.mark.nightly
def test_a_page_has_at_most_10_mb(tmp_path: Path) -> None:
    """Also where every thumbnail and every path is as large as its limit allows."""
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(2).integers(0, 255, (192, 192, 3), np.uint8)
    (tmp_path / "one.jpg").write_bytes(save(Image.fromarray(noise.astype(np.uint8)), "JPEG"))
    (tmp_path / "rubbish").write_bytes(RUBBISH)
    for i in range(2_400):  # 800 with a label, which are all displayed
        name = os.fsdecode(b"in/%04d" % i + b"\xff" * 240 + b".jpg")
        os.link(tmp_path / ("rubbish" if i % 3 else "one.jpg"), tmp_path / name)
    finish(options_of(tmp_path, b"in"), batch_images=200)
    found, page = written(tmp_path / "out.csv")
    assert sum(len(image["src"]) for image in page.all("img")) > 4_000_000
    assert 5_000_000 < found.bytes <= 10_000_000


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.parquet", "out.xlsx"])
def test_a_table_with_a_flipped_bit_is_named_by_text_and_code(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rubbish.png").write_bytes(RUBBISH)
    table = tmp_path / name
    options = options_of(tmp_path, b"in", form=format_of(name))
    finish(msgspec.structs.replace(options, output=str(table)))
    assert run(table).exit_code == Exit.OK
    whole = table.read_bytes()
    middle = len(whole) // 2
    table.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    result = run(table)
    assert result.exit_code == 6, result.output
    made = msgspec.json.decode(result.stdout, type=report.Written)
    assert str(table) in made.notice
    assert Path(made.report).exists()


def chosen(rows: Sequence[Answer], size: int = 100) -> Choice:
    survey = Survey(CARD)
    for batch in batches(rows, size):
        survey.add(batch)
    choice = Choice(survey)
    for batch in batches(rows, size):
        choice.add(batch)
    return choice


@given(st.integers(0, 100), st.integers(0, 300), st.sampled_from([1, 64]))
def test_of_a_small_table_all_rows_are_chosen(seed: int, count: int, size: int) -> None:
    rows = answers(seed, count, CARD.labels, 3, FOLDERS)
    choice = chosen(rows, size)
    good = [number for number, row in enumerate(rows, 1) if not row.status]
    assert [row.number for row in choice.pictured] == good
    for row in choice.pictured:
        like = rows[row.number - 1]
        assert (row.name, row.labels) == (like.name, like.labels)
        assert row.confidences == like.confidences
        assert row.flag.code == like.flag
    failed = {row.number: row.status.code for some in choice.failed for row in some}
    assert failed == {n: row.status for n, row in enumerate(rows, 1) if row.status}


@pytest.fixture(scope="module")
def large() -> tuple[list[Answer], Choice]:
    rows = answers(1, 40_000, CARD.labels, 1, FOLDERS)
    return rows, chosen(rows, 1000)


def test_of_a_large_table_the_choice_is_bounded(large: tuple[list[Answer], Choice]) -> None:
    _, choice = large
    assert 300 < len(choice.pictured) <= LABEL_ROWS + PAIR_ROWS + FLAG_ROWS
    assert all(len(some) == FAILED_ROWS for some in choice.failed[1:])
    assert all(len(some.items) <= MOST_OF_LABEL for some in choice.drawn)
    assert all(len(some.items) <= MOST_OF_PAIR for some in choice.pairs.values())


def test_the_choice_depends_on_the_rows_alone(large: tuple[list[Answer], Choice]) -> None:
    rows, choice = large

    def without_batch(row: Row) -> tuple[int, bytes]:
        return row.number, row.name

    again = chosen(rows, 333)
    assert list(map(without_batch, again.pictured)) == list(map(without_batch, choice.pictured))


def surveyed(rows: Sequence[Answer], size: int) -> Survey:
    survey = Survey(CARD)
    for batch in batches(rows, size):
        survey.add(batch)
    return survey


@given(
    st.integers(0, 1000), st.integers(0, 300), st.sampled_from([1, 7, 64]), st.sampled_from([1, 3])
)
def test_figures_are_those_of_the_rows(seed: int, count: int, size: int, k: int) -> None:
    rows = answers(seed, count, CARD.labels, k, FOLDERS)
    survey = surveyed(rows, size)
    good = [row for row in rows if not row.status]
    assert survey.rows == count
    assert survey.statuses == [sum(r.status == code for r in rows) for code in range(8)]
    assert survey.flags[1:] == [sum(r.flag == code for r in rows) for code in (1, 2)]
    assert list(survey.counts) == [sum(r.labels[0] == i for r in good) for i in range(10)]
    bins = Counter(min(int(r.confidences[0] * BINS), BINS - 1) for r in good)
    assert survey.bins == [bins[i] for i in range(BINS)]
    rule = doubtless(CARD)
    kept = [r for r in good if rule.accepts(r.labels[0], r.confidences[0], bool(r.flag))]
    assert sum(survey.doubtful) == len(good) - len(kept)
    assert sum(survey.confidence_sums) == pytest.approx(sum(r.confidences[0] for r in good))


@given(st.integers(0, 1000), st.integers(0, 300))
def test_folders_named_like_labels_are_compared(seed: int, count: int) -> None:
    rows = answers(seed, count, CARD.labels, 1, FOLDERS[:4])
    survey = surveyed(rows, 50)
    judged = [
        (FOLDERS.index(folder), row)
        for row in rows
        if not row.status and (folder := row.name.split(b"/")[1].decode()) != "other"
    ]
    pairs = Counter((truth, row.labels[0]) for truth, row in judged)
    assert {(t, p): survey.pairs.rows(t, p) for t in range(10) for p in range(10)} == {
        (t, p): pairs[t, p] for t in range(10) for p in range(10)
    }
    assert (survey.judged, survey.right) == (
        len(judged),
        sum(truth == row.labels[0] for truth, row in judged),
    )
    assert list(survey.judged_by_folder) == [sum(pairs[t, p] for p in range(10)) for t in range(10)]
    assert list(survey.judged_by_label) == [sum(pairs[t, p] for t in range(10)) for p in range(10)]
    assert list(survey.right_by_label) == [pairs[i, i] for i in range(10)]
    wrong = [row.confidences[0] for truth, row in judged if truth != row.labels[0]]
    assert sum(survey.wrong_bins) == len(wrong)
    for point in survey.points:
        rule = at_precision(CARD, point.precision)
        accepted = [
            (truth, row)
            for truth, row in judged
            if rule.accepts(row.labels[0], row.confidences[0], bool(row.flag))
        ]
        assert point.judged == len(accepted)
        assert point.right == sum(truth == row.labels[0] for truth, row in accepted)
