"""The reference of the benchmark does the real work, and its arithmetic is right."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from benchmarks import scaling, throughput, transport
from benchmarks.contenders.bare_loop import slice_of
from benchmarks.environment.paths import ROOT
from benchmarks.environment.route import SOCKET, way_to
from benchmarks.measure.command import Failed
from benchmarks.measure.process_watch import Watch, role_of
from benchmarks.measure.queue_run import PRODUCER, SERVER, Run, server_cpu_s
from benchmarks.measure.rounds import NAMES, Plan, compared
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.report import agreement, queue_limits, tables
from benchmarks.report.figures import figures
from benchmarks.report.goals import LARGE, Goal, goals
from benchmarks.report.results import Case, Contender, Measured, Results, whole, work
from benchmarks.workloads import networks
from benchmarks.workloads.images import ALL
from producer.fleet.machine_resources import cores
from shared.errors import ImageError
from shared.image_status import Flag
from tests.support.processes import procfs
from tests.support.servers.redis_server import RedisServer
from worker.decoding.decode import decode_into
from worker.inference.ood_check import are_outliers
from worker.runtimes.load_runtime import load
from worker.runtimes.runtime import image_shape

IMAGES = 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random images in two folders; the last file is no image."""
    random = np.random.default_rng(1)
    for number in range(IMAGES):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (28, 28), np.uint8)).save(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return tmp_path / "images"


def rows(folder: Path) -> Iterator[list[str]]:
    """Classify each image separately, in the simplest way."""
    network = networks.shipped()
    card = network.card
    model = load("litert", card, (network.folder / "model.tflite").read_bytes())
    image = np.empty(image_shape(card), np.uint8)
    for path in sorted(folder.rglob("*.png")):
        try:
            flag = decode_into(path.read_bytes(), card.preprocessing, image)
        except ImageError as error:
            yield [str(path), "", "", error.status, error.status.sentence, "", card.ref]
            continue
        probabilities = model.predict(image[np.newaxis])[0]
        if card.pixel_bounds and not flag and are_outliers(card.pixel_bounds, image[np.newaxis])[0]:
            flag = Flag.UNLIKE_TRAINING
        label = card.labels[probabilities.argmax()]
        yield [str(path), label, f"{probabilities.max():.4f}", "ok", "", flag, card.ref]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_bare_loop_writes_the_products_table(
    folder: Path, tmp_path: Path, workers: int
) -> None:
    output = tmp_path / "bare.csv"
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "benchmarks.contenders.bare_loop",
                str(folder),
                "-o",
                str(output),
            ),
            *("--model", str(networks.shipped().folder), "--workers", str(workers)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout)["images"] == IMAGES
    header, *lines = csv.reader(output.read_text().splitlines())
    assert header == ["path", "label", "confidence", "status", "error", "flag", "model"]
    assert lines == list(rows(folder))
    assert [line[3] for line in lines].count("unreadable") == 1


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_slices_cover_the_whole(count: int) -> None:
    paths = [bytes([n]) for n in range(count)]
    assert [p for part in range(3) for p in slice_of(paths, part, 3)] == paths


def measured(contender: Contender, repeat: int, work_s: float, **more: object) -> Measured:
    """A run of 1,000 images that takes 1 s to start."""
    given = {"images": 1000, "whole_s": work_s + 1, "first_s": 0.1, **more}
    return Measured(contender=contender, network="dense", repeat=repeat, work_s=work_s, **given)  # type: ignore[arg-type]


def test_ratios_are_taken_within_a_repeat() -> None:
    results = Results(
        [
            *(measured(Contender.BARE, n, s) for n, s in enumerate((1.0, 2.0, 4.0))),
            *(measured(Contender.WARM, n, s) for n, s in enumerate((2.0, 2.5, 5.0))),
        ]
    )
    both = ((Contender.WARM, work), (Contender.BARE, work))
    assert results.ratio("dense", 1000, *both) == pytest.approx(0.8)
    assert results.median(Case("dense", Contender.BARE, 1000), whole) == pytest.approx(1000 / 3)
    assert results.ratio("shipped", 1000, *both) is None
    assert "0.80" in tables.report(figures(results), [], [])


def test_only_runs_with_the_same_images_are_compared() -> None:
    results = Results(
        [measured(Contender.BARE, 0, 1.0), measured(Contender.WARM, 0, 1.0, images=500)]
    )
    both = ((Contender.WARM, work), (Contender.BARE, work))
    assert {results.ratio("dense", images, *both) for images in (500, 1000)} == {None}
    assert [figure.work_x for figure in figures(results)] == [1.0, None]


def test_goals_report_whether_they_are_reached() -> None:
    child = measured(Contender.WARM, 0, 1.0, peaks={"worker child": 101_000_000})
    found = {goal.what: goal.reached for goal in goals(Results([child]), 2)}
    assert found.pop("peak memory of a worker child, any network") is False
    assert set(found.values()) == {None}
    assert Goal("speed", 0.9, 0.85).reached
    assert Goal("time", 8.5, 8, at_most=True).reached is False


def test_a_moment_counts_for_the_innermost_step() -> None:
    times = iter(range(100))
    watch = Stopwatch(lambda: next(times))
    inner = watch.step("inner", lambda: None)
    watch.step("outer", lambda: inner())()
    assert watch.spent == {"outer": 2, "inner": 1}


def test_processes_are_found_by_their_tag(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "input()  # benchmarks.contenders.traced_classify"]
    environment = {**os.environ, "BENCHMARK_RUN": str(tmp_path)}
    with subprocess.Popen(program, env=environment, stdin=subprocess.PIPE) as process:
        with Watch(str(tmp_path)) as watch:
            assert role_of(process.pid) == "producer"
        process.kill()
    assert watch.peaks.keys() == {"producer"}
    assert 1 << 20 < watch.peaks["producer"] <= watch.together * 2


def test_tables_are_compared_by_image(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("path,label\nx/a/1.png,Bag\nx/a/2.png,Coat\n")
    other.write_text("path,label,confidence\n/far/a/2.png,Shirt,1\n/far/a/1.png,Bag,1\n")
    assert agreement.differences(one, one) == "the same bytes"
    assert agreement.differences(other, one) == "1 of 2 labels differ"


def test_a_table_of_hangtag_that_differs_from_the_bare_loops_ends_the_benchmark(
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("path,label\na/1.png,Bag\na/2.png,Bag\n")
    other.write_text("path,label\na/1.png,Bag\na/2.png,Coat\n")
    assert compared(one, one, must_agree=True) == agreement.SAME
    assert compared(one, other, must_agree=False) == "1 of 2 labels differ"
    with pytest.raises(Failed, match="1 of 2 labels differ"):
        compared(one, other, must_agree=True)


@pytest.mark.parametrize("workers", [cores(), cores() + 1])
def test_the_recorded_command_names_an_unusual_number_of_workers(workers: int) -> None:
    """The nightly run compares its ratios with those of the usual number."""
    plan = Plan(NAMES, throughput.NETWORKS, ALL, throughput.FEW_IMAGES, LARGE, 1, workers, None)
    assert ("--workers" in throughput._command(plan)) == (workers != cores())


@pytest.mark.parametrize(
    ("repeats", "complete"), [(throughput.REPEATS, True), (throughput.REPEATS - 1, False)]
)
def test_a_run_with_fewer_repeats_is_not_complete(repeats: int, complete: bool) -> None:
    plan = Plan(
        NAMES, throughput.NETWORKS, ALL, throughput.FEW_IMAGES, LARGE, repeats, cores(), None
    )
    runs = [
        msgspec.structs.replace(measured(one, 0, 1.0), network=network)
        for network in throughput.NETWORKS
        for one in Contender
    ]
    assert throughput._is_complete(plan, Results(runs)) is complete


def test_tables_of_images_with_equal_names_are_compared_by_their_whole_path(
    tmp_path: Path,
) -> None:
    """As the links of the large job, whose folders repeat."""
    one, other, less = tmp_path / "one", tmp_path / "other", tmp_path / "less"
    one.write_text("path,label\nx/00/a/1.png,Bag\nx/01/a/1.png,Coat\n")
    other.write_text("path,label\n/far/00/a/1.png,Shirt\n/far/01/a/1.png,Coat\n")
    assert agreement.differences(other, one) == "1 of 2 labels differ"
    less.write_text("path,label\nx/00/a/1.png,Bag\n")
    assert agreement.differences(less, one) != agreement.SAME
    assert "one of both tables only" in agreement.differences(less, one)


def test_transports_are_compared_within_a_repeat() -> None:
    """A slow repeat counts as much as a fast one."""
    turns = [
        transport.Turn("small", way, repeat, 1_000, seconds, {"producer": 0.01})
        for repeat, both in enumerate([(1.0, 2.0), (10.0, 5.0), (4.0, 2.0)])
        for way, seconds in zip(("inline", "path", "auto"), (*both, both[0]), strict=True)
    ]
    auto, inline, path = transport.table(turns).splitlines()[2:]
    assert [cell.strip() for cell in auto.split("|")][1:5] == ["small", "auto", "250", "1.00"]
    assert [cell.strip() for cell in inline.split("|")][1:6] == [
        "small",
        "inline",
        "250",
        "",
        "10.0",
    ]
    assert [cell.strip() for cell in path.split("|")][1:5] == ["small", "path", "500", "2.00"]


def test_the_baseline_is_required_before_the_first_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["scaling", "--workers", "2", "4"])
    monkeypatch.setattr(scaling, "run", lambda *_: pytest.fail("it has begun"))
    monkeypatch.setattr("benchmarks.workloads.images.make", lambda *_: pytest.fail("it has begun"))
    with pytest.raises(SystemExit):
        scaling.main()
    assert "--workers must have 1" in capsys.readouterr().err


@pytest.mark.timeout(60)
def test_the_proxy_ends_after_any_error(server: RedisServer) -> None:
    before = set(procfs.children(os.getpid()))
    started: list[int] = []

    def fails() -> None:
        with way_to(server, "0"):
            started.extend(set(procfs.children(os.getpid())) - before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    (proxy,) = started
    assert not procfs.is_alive(proxy)


def test_the_cpu_time_of_the_server_is_finer_than_ticks(server: RedisServer) -> None:
    seen = [server_cpu_s(server.client)]
    for _ in range(20):
        for _ in range(20):
            server.client.ping()
        seen.append(server_cpu_s(server.client))
    assert seen == sorted(seen)
    assert len(set(seen)) > 10, "twenty pings take less than a tick of 10 ms"
    assert seen[-1] - seen[0] < 1


def job(way: str, workers: int, messages: int, steady_s: float, **cpu_s: float) -> Run:
    """A job of messages with one image."""
    spent = {PRODUCER: cpu_s["producer"], SERVER: cpu_s["server"]}
    return Run("", way, workers, messages, messages, steady_s, 1.0, spent, 0.1)


def test_the_queue_is_limited_by_the_cheapest_message_and_an_image_is_measured_over_all_pairs() -> (
    None
):
    empties = [
        job(SOCKET, 1, 1_000, 2.0, producer=1.0, server=0.5),
        job(SOCKET, 4, 1_000, 1.0, producer=0.5, server=0.4),
        job(SOCKET, 8, 1_000, 1.5, producer=0.8, server=0.2),
        job("2", 8, 1_000, 4.0, producer=0.1, server=0.1),
    ]
    few = job(SOCKET, 2, 20_000, 1.0, producer=0.5, server=0.1)
    pairs = [
        (few, job(SOCKET, 2, 60_000, 1.0, producer=0.9, server=0.14)),
        (few, job(SOCKET, 2, 60_000, 1.0, producer=1.1, server=0.16)),
    ]
    found = queue_limits.limits(empties, pairs)
    assert found[PRODUCER] == pytest.approx((2_000, 80_000))
    assert found[SERVER] == pytest.approx((5_000, 800_000))
    most = [(run.way, run.workers) for run in queue_limits.fastest(empties)]
    assert most == [(SOCKET, 4), ("2", 8)]
    assert "1,000" in queue_limits.fastest_table(empties)


def test_an_image_is_measured_over_enough_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(what: str, way: str, workers: int, folder: Path, images: int, batch: int) -> Run:
        return job(way, workers, images, 1.0, producer=images / 100_000, server=0.1)

    monkeypatch.setattr(scaling, "run", run)
    monkeypatch.setattr("benchmarks.workloads.images.make", lambda count: Path(str(count)))
    found = list(scaling.full())
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert [(few.images, many.images) for few, many in pairs] == [scaling.FULL_IMAGES] * 3
    assert queue_limits.spent_s(PRODUCER, pairs) >= 0.5
