"""`make bench-train`: its arithmetic is right, and finished trainings are not repeated."""

from __future__ import annotations

import re
import statistics
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import training
from benchmarks.measure import training_run
from benchmarks.measure.command import Failed
from benchmarks.measure.training_run import Trained, key, recall, train
from benchmarks.report import training_table
from shared import recipes
from shared.messages.model_card import Metrics, encode_card
from shared.registry.packaged import card

FAST = recipes.find("fast")
PEAK_BYTES = 123_456


def trained(
    seed: int, accuracy: float = 0.95, minutes: float = 8.0, recipe: str = "fast", load: float = 0.0
) -> Trained:
    return Trained(
        recipe=recipe,
        seed=seed,
        epochs=24,
        parameters=142_514,
        heldout_accuracy=0.96,
        test_accuracy=accuracy,
        test_ece=0.005,
        wall_s=60 * minutes,
        cpu_s=100 * minutes,
        peak_bytes=900_000_000,
        load=load,
    )


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A replacement for Python that writes the packaged card, as the module does."""
    metrics = Metrics(0.9, 5000, 0.3, 0.02, test_accuracy=0.875, test_ece=0.0125)
    made = tmp_path / "card.json"
    made.write_bytes(encode_card(msgspec.structs.replace(card(), metrics=metrics)))
    program = tmp_path / "program"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncp {made} card.json\necho {PEAK_BYTES} > "$3"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_training_runs_in_a_process_and_its_card_is_read(program: Path, tmp_path: Path) -> None:
    found = train(FAST, 7, tmp_path / "stored")
    (call,) = calls(tmp_path)
    assert "peak-bytes benchmarks.shipped_model --recipe fast --seed 7 --epochs" in call
    assert (found.recipe, found.seed, found.epochs) == ("fast", 7, FAST.epochs)
    assert (found.heldout_accuracy, found.test_accuracy, found.test_ece) == (0.9, 0.875, 0.0125)
    assert 0 < found.wall_s < 60
    assert found.peak_bytes == PEAK_BYTES


def test_a_finished_training_is_not_repeated(program: Path, tmp_path: Path) -> None:
    first = train(FAST, 1, tmp_path / "stored")
    assert train(FAST, 1, tmp_path / "stored") == first
    assert len(calls(tmp_path)) == 1
    train(FAST, 2, tmp_path / "stored")
    train(msgspec.structs.replace(FAST, peak_rate=0.5), 1, tmp_path / "stored")
    train(FAST, 1, tmp_path / "stored", again=True)
    assert len(calls(tmp_path)) == 4


def test_a_failed_or_interrupted_training_is_repeated(program: Path, tmp_path: Path) -> None:
    right = program.read_text()
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(Failed, match="exit code 3"):
        train(FAST, 1, tmp_path / "stored")
    place = tmp_path / "stored" / key(FAST, 1)
    (place / training_run.RECORD).write_bytes(b'{"recipe": "fa')
    assert recall(place) is None
    program.write_text(right)
    assert train(FAST, 1, tmp_path / "stored").test_accuracy == 0.875


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_mean_and_deviation_are_computed_over_the_seeds(accuracies: list[float]) -> None:
    table = training_table.table([trained(n, accuracy) for n, accuracy in enumerate(accuracies)])
    last = [cell.strip() for cell in table.splitlines()[-1].split("|")]
    mean, deviation = map(float, last[6].split(" ± "))
    assert last[4] == f"mean of {len(accuracies)}"
    assert mean == pytest.approx(sum(accuracies) / len(accuracies), abs=6e-5)
    assert deviation == pytest.approx(statistics.stdev(accuracies), abs=6e-5)
    assert len(table.splitlines()) == 3 + len(accuracies)


def test_each_recipe_has_its_own_mean_and_a_single_seed_has_none() -> None:
    runs = [trained(1, 0.88, recipe="tutorial"), trained(1, 0.94), trained(2, 0.95)]
    means = re.findall(r"\| (\w+) .*mean of (\d).*(0\.94\d+) ±", training_table.table(runs))
    assert means == [("fast", "2", "0.9450")]


def test_goals_cover_the_promised_recipe_and_the_slowest_run() -> None:
    runs = [trained(1, 0.88, 2.0, recipe="tutorial"), trained(1, 0.946), trained(2, 0.945, 11.0)]
    reached = {goal.what.partition(": ")[2]: goal.reached for goal in training_table.goals(runs)}
    assert reached == {
        "mean test accuracy": True,
        "minutes of the slowest": False,
        "mean ECE on the test images, %": True,
    }
    assert training_table.goals(runs[:1]) == []


def test_a_busy_machine_is_reported() -> None:
    runs = [trained(1), trained(2, load=1.5)]
    assert training_table.busy(runs[:1]) == []
    assert "fast 2 (1.5)" in training_table.busy(runs)[0]


@pytest.mark.parametrize("after", ["", "## The shipped model\n\nAnd more.\n"])
def test_only_the_section_is_replaced(after: str) -> None:
    before = "# Results\n\n## The queue\n\n| a | b |\n"
    old = training_table.section([trained(1)], "command", "machine", "2026-01-01")
    new = training_table.section([trained(1), trained(2)], "command", "machine", "2026-01-02")
    whole = f"{before}\n{old}\n{after}" if after else f"{before}\n{old}"
    expected = whole.replace(old, new)
    assert training_table.replaced(whole, new) == expected
    assert training_table.replaced(expected, new) == expected
    assert training_table.replaced(before, new) == f"{before}\n{new}"


def test_only_all_trainings_change_the_results(
    program: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n")
    monkeypatch.setattr(training, "RESULTS", results)
    monkeypatch.setattr(training, "FOLDER", tmp_path / "stored")
    for options in (["--epochs", "1"], ["--seeds", "1", "2"], ["--recipe", "tutorial"]):
        assert training.main(options) == 0
        assert results.read_text() == "# Results\n"
    capsys.readouterr()
    assert training.main([]) == 0
    printed = capsys.readouterr().out
    assert training_table.HEADING in results.read_text()
    assert results.read_text().removeprefix("# Results\n\n") in printed
    names = [call.split()[5] for call in calls(tmp_path)]
    assert Counter(names) == {"tutorial": 4, "fast": 6}  # finished ones are not repeated
