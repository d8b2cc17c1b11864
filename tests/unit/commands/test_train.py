"""`hangtag train` and `hangtag worker --queue train`: wrong command lines, without a server."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from producer.cli.main import hangtag
from producer.cli.models.trained import show_steps_of_labels
from producer.fleet import commands
from producer.models import dataset
from producer.models.train import cost_of_int8, make_work, summary, troubles
from producer.present.events import Waiting
from producer.present.figures import Figures
from producer.present.formatting import duration
from producer.present.progress import Quiet
from producer.requests import request_meter
from producer.requests.client import make_request
from producer.requests.existing import find
from producer.requests.open_requests import open_requests
from producer.requests.request_display import RequestDisplay
from producer.requests.request_meter import Changes
from producer.requests.submit import submit
from producer.requests.wait import Viewed, continues, how_to_start_trainer
from shared.errors import BadMessage, Exit, SetupError, UsageError
from shared.installation import DRAW_PACKAGES, ROOT, TENSORFLOW_PACKAGES
from shared.ledger import request_store
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.model_card import PrecisionTrial
from shared.messages.replies import DataReport, Decided
from shared.messages.requests import (
    CheckDataset,
    ComputeFeatures,
    EndedEpoch,
    Outcome,
    Progress,
    Promote,
    Request,
    Work,
)
from shared.messages.training import Train
from shared.registry import packaged
from shared.settings import Settings
from tests.support.machine.unlistable_folders import obeying
from tests.support.processes.manual_trainer import ANSWER

ELSEWHERE = Settings(redis_url="redis://:secret@host:1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of classes and an unreachable broker; a command that connects fails."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/bag").mkdir(parents=True)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, list(arguments))


def complaint(result: Result, code: Exit) -> str:
    """The one line of a command that must fail."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["--data", "/"], "--name"),
        (["photos", "--data", "photos"], "leave out one of them"),
        (["--follow", "r1", "photos"], "leave out DIR"),
        (["--name", "No/Name"], "small letters"),
        (["--request-id", "../x"], "cannot be the id"),
        (["photos", "--epochs", "3"], "out, or use --recipe tutorial, fast or accurate"),
        (["--recipe", "photo-head"], "photo-head is for photos; name a folder"),
        (["--recipe", "photo-hed", "--epochs", "3"], "did you mean photo-head"),
        (["photos", "--recipe", "photo-fine"], "was one of version 0.2.0; use --recipe photo-head"),
        ([], "name a folder with a subfolder for each class"),
        (["--detach"], "hangtag train --data fashion-mnist"),
        (["--follow", "r1", "--epochs", "3"], "--follow cannot be combined; leave out --epochs"),
        (["--follow", "r1", "--cancel", "r1"], "cannot be combined"),
        (["--cancel", "r1", "--data", "photos"], "leave out --data"),
        (["--list", "--detach"], "--list cannot be combined; leave out --detach"),
    ],
)
def test_contradictory_options_are_one_line_with_the_fix(arguments: list[str], fix: str) -> None:
    assert fix in complaint(run("train", *arguments), Exit.USAGE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "0"],
        ["--seed", "-1"],
        ["--promote", "perhaps"],
        ["--max-unreadable", "101%"],
        ["--max-unreadable", "nan"],
        ["--max-unreadable", "few"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
    ],
    ids=" ".join,
)
def test_a_value_out_of_range_names_its_option(arguments: list[str]) -> None:
    result = run("train", *arguments)
    assert result.exit_code == Exit.USAGE
    assert arguments[0] in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [["--recipe", "fast"], ["--follow", "r1"], ["--cancel", "r1"], ["--list"]],
    ids=" ".join,
)
def test_an_unreachable_broker_is_a_setup_error(arguments: list[str]) -> None:
    assert "Redis" in complaint(run("train", *arguments), Exit.SETUP)


def test_the_request_has_the_typed_options(here: Path) -> None:
    options = {
        "data": "photos", "name": "garments", "recipe": "tutorial", "epochs": 3, "seed": 7,
        "promote": "always", "weighted": True, "max_unreadable": 0.5,
    }  # fmt: skip
    expected = Train("garments", "tutorial", f"{here}/photos", 3, 7, "always", True, 0.5)
    assert make_work(options, Settings()) == expected


@pytest.mark.parametrize(
    ("folder", "name"),
    [("photos", "photos"), ("My Photos (2024)/", "my-photos-2024"), ("bags/../Éclairs", "clairs")],
)
def test_a_model_is_called_like_its_folder(here: Path, folder: str, name: str) -> None:
    (here / "bags").mkdir()
    (here / folder).mkdir(exist_ok=True)
    found = make_work({"data": folder}, Settings())
    assert found.name == name
    assert Path(found.data) == (here / folder).resolve()


@pytest.mark.parametrize("folder", ["/", "...", "Fashion MNIST", "漢字"])
def test_a_folder_whose_name_cannot_be_a_models_needs_one(here: Path, folder: str) -> None:
    (here / folder).mkdir(exist_ok=True)
    with pytest.raises(UsageError, match="--name"):
        make_work({"data": folder}, Settings())


def test_the_summary_states_what_was_found_and_the_standard_error() -> None:
    assert ANSWER.data is not None
    data = msgspec.structs.replace(
        ANSWER.data, duplicates=tuple(f"bag/{n}.png: like bag/0.png" for n in range(1, 8)),
        duplicates_count=7,
    )  # fmt: skip
    found = msgspec.structs.replace(ANSWER, data=data, heldout_error=0.0126)
    lines = [line.strip() for line in summary(found, {})]
    assert any("standard error 1.3%, copies count once" in line for line in lines)
    assert "105 images of 2 classes in photos: bag 95, boot 10" in lines
    start = lines.index("7 near-duplicates found:")
    assert lines[start + 1] == "bag/1.png: like bag/0.png"
    assert lines[start + 6] == "... and 2 more"


@pytest.mark.parametrize(("count", "heading"), [(1, "1 copy found:"), (2, "2 copies found:")])
def test_images_with_equal_pixels_are_named_copies(count: int, heading: str) -> None:
    assert ANSWER.data is not None
    alike = tuple(f"bag/{n}.png: like bag/0.png" for n in range(count))
    data = msgspec.structs.replace(
        ANSWER.data, duplicates=alike, duplicates_count=count, duplicates_are_copies=True
    )
    assert heading in troubles(data)


def test_a_folder_in_the_place_of_the_labels_file_is_one_line_with_the_command(
    here: Path,
) -> None:
    (here / "pics").mkdir(exist_ok=True)
    for words in (["--labels", "pics/"], ["pics/", "--labels", "pics/"]):
        result = CliRunner().invoke(hangtag, ["train", *words])
        assert result.exit_code == Exit.USAGE
        assert "hangtag train pics --labels" in " ".join(result.stderr.split())


def test_after_labels_the_commands_for_all_images_of_their_folder_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"labels": Path(""), "data": "pics/", "quiet": False, "as_json": False}
    changed = msgspec.structs.replace(ANSWER.decision, changed=True)
    answer = msgspec.structs.replace(ANSWER, model="mine@1", decision=changed)
    outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(answer)))
    show_steps_of_labels(outcome, given)
    assert "hangtag classify pics/ --model mine -o mine.csv --accept 95%" in capsys.readouterr().out
    show_steps_of_labels(outcome, given | {"labels": None})
    unchanged = msgspec.structs.replace(changed, changed=False)
    answer = msgspec.structs.replace(answer, decision=unchanged)
    show_steps_of_labels(Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(answer))), given)
    assert capsys.readouterr().out == ""


def test_a_request_that_only_its_command_shows_is_not_followed_by_another() -> None:
    request = make_request(ComputeFeatures("/photos"), "r1")
    assert "the same command" in continues(request)
    assert "--follow" not in continues(request)


def test_the_default_recipe_suits_the_data(here: Path) -> None:
    assert make_work({}, Settings()) == Train("fashion-mnist", "fast")
    found = make_work({"data": "photos", "name": "garments"}, Settings())
    assert (found.recipe, found.data) == ("photo-head", f"{here}/photos")
    assert make_work({"data": "photos", "recipe": "photo"}, Settings()).recipe == "photo-head"


def test_a_folder_is_checked_only_if_the_trainer_is_on_this_machine(here: Path) -> None:
    options = {"data": "absent", "name": "garments"}
    with pytest.raises(UsageError, match="absent is not a folder"):
        make_work(options, Settings())
    assert make_work(options, ELSEWHERE).data == f"{here}/absent"


def test_an_undecodable_path_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="not printable text"):
        make_work({"data": os.fsdecode(b"\xff"), "name": "garments"}, ELSEWHERE)


@pytest.mark.usefixtures("bare")
def test_without_tensorflow_nothing_is_queued_on_the_local_stack(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(here / "stack"))
    line = complaint(run("train", "--data", "fashion-mnist"), Exit.SETUP)
    assert "keras and tensorflow are missing" in line
    assert f"-m pip install -e '{ROOT}[all,tensorflow]'" in line
    assert not (here / "stack").exists()


@pytest.mark.usefixtures("bare")
def test_a_machine_that_cannot_draw_cannot_start_a_trainer() -> None:
    line = complaint(run("worker", "--queue", "train"), Exit.SETUP)
    assert "matplotlib is missing" in line
    assert f"-m pip install -e '{ROOT}[all]'" in line


@pytest.mark.parametrize("work", [Train("x", "photo", "/photos"), CheckDataset("/photos")])
def test_photos_need_no_tensorflow(work: Work) -> None:
    assert not commands.needs(work).keys() & TENSORFLOW_PACKAGES.keys()
    assert TENSORFLOW_PACKAGES.keys() <= commands.needs(Train("x", "fast")).keys()


@pytest.mark.usefixtures("bare")
def test_a_promotion_needs_no_tensorflow() -> None:
    commands.check_can(Promote("garments@2"))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where training is not installed."""
    found: Callable[..., object] = importlib.util.find_spec

    def find(name: str) -> object:
        return None if name in DRAW_PACKAGES | TENSORFLOW_PACKAGES else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)


def test_a_trainer_in_the_foreground_needs_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    line = complaint(run("worker", "--queue", "train"), Exit.SETUP)
    assert "HANGTAG_REDIS_URL" in line
    assert "hangtag train" in line


def test_the_command_that_starts_a_trainer_contains_no_password() -> None:
    line = how_to_start_trainer(ELSEWHERE)
    variables = "HANGTAG_REDIS_URL=redis://host:1 HANGTAG_REDIS_PASSWORD_FILE=..."
    assert line.endswith(f": {variables} hangtag worker --queue train")
    assert "secret" not in line


def store_request(
    store: Path, request: Request, *, finished: bool = False, elsewhere: bool = False
) -> None:
    """Store a request as a trainer does: of the local stack, or of a remote broker."""
    request_store.keep(store, request)
    folder = request_store.folder(store, request.id)
    if elsewhere:
        (folder / request_store.HERE_FILE).unlink()
    if finished:
        outcome = msgspec.json.encode(Outcome(ok=True))
        (folder / request_store.OUTCOME_FILE).write_bytes(outcome)


def test_requests_that_are_only_in_the_store_are_listed_as_paused(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    assert open_requests(settings) == []
    old = make_request(Train("b", "fast"), "old")
    new = msgspec.structs.replace(make_request(Train("a", "fast"), "new"), created=time.time() + 9)
    for request in (new, old):
        store_request(settings.store_path, request)
    store_request(settings.store_path, make_request(Train("a", "fast"), "done"), finished=True)
    store_request(settings.store_path, make_request(Train("a", "fast"), "theirs"), elsewhere=True)
    damaged = request_store.folder(settings.store_path, "damaged")
    damaged.mkdir()
    (damaged / request_store.REQUEST_FILE).write_text("{")
    found = open_requests(settings)
    listed = [(one.request, one.state) for one in found]
    assert listed == [
        ("damaged", "unreadable"),
        ("old", "paused"),
        ("theirs", "elsewhere"),
        ("new", "paused"),
    ]


def test_the_outcome_of_a_known_id_needs_no_data(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted script submits the same command; the photos may have been moved since."""
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(here / "stack"))
    store = Settings.from_env().store_path
    request = make_request(make_work({"data": "photos", "name": "garments"}, Settings()), "r1")
    request_store.keep(store, request)
    outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(ANSWER)))
    path = request_store.folder(store, "r1") / request_store.OUTCOME_FILE
    path.write_bytes(msgspec.json.encode(outcome))
    again = ("train", "photos", "--name", "garments", "--request-id", "r1", "--json")
    (here / "photos/bag").rmdir()  # nothing to learn from
    assert msgspec.json.decode(run(*again).stdout)["model"] == ANSWER.model
    (here / "photos").rmdir()
    assert msgspec.json.decode(run(*again).stdout)["model"] == ANSWER.model
    assert "other work" in complaint(run(*again, "--seed", "2"), Exit.USAGE)
    assert "is not a folder" in complaint(run(*again[:-2], "r2"), Exit.USAGE)


def test_an_invalid_request_id_reaches_no_file(here: Path) -> None:
    assert request_store.load(here, "../../etc") is None
    assert request_store.outcome(here, "/etc") is None


@given(st.floats(0, 1e6))
def test_a_formatted_duration_can_be_parsed(seconds: float) -> None:
    number, unit = duration(seconds).split()
    total = 0
    for part in number.split(":"):
        total = total * 60 + int(part)
    assert total == round(seconds)
    assert unit == ("s" if total < 60 else "min" if total < 3600 else "h")


@pytest.mark.parametrize(
    ("precision", "int8_accuracy", "told"),
    [("int8", 0.8868, "int8, 0.20 points below fp32"), ("int8", 0.8889, ""), ("fp32", 0.8, "")],
)
def test_a_training_says_what_int8_costs(precision: str, int8_accuracy: float, told: str) -> None:
    trial = PrecisionTrial(5_000, 0.8888, int8_accuracy, 0.3, 0.31, 0.01, 0.001)
    card = msgspec.structs.replace(packaged.card(), precision=precision, precision_trial=trial)
    assert cost_of_int8(card) == told
    assert cost_of_int8(msgspec.structs.replace(card, precision_trial=None)) == ""


@pytest.mark.parametrize(("name", "told"), [("photos", True), ("Fashion-MNIST", False)])
def test_a_folder_is_shown_with_what_the_default_recipe_learns_from(name: str, told: bool) -> None:
    report = DataReport(name, (96, 96, 3), ("cat", "dog"), (9, 9), (1, 1), (2, 2))
    assert ("a head that has not seen it" in "\n".join(dataset.lines(report))) == told


def view(state: RequestState, progress: Progress | None = None) -> RequestView:
    request = Request("r1", Train("garments", "fast"), "me@here", 0.0)
    return RequestView(request, state, "", 0, progress, None)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30).map(sorted))
def test_a_finished_epoch_is_reported_once_however_often_the_status_is_polled(
    epochs: list[int],
) -> None:
    changes = Changes()
    ended = tuple(EndedEpoch(n, 1.0, 0.5, n / 100) for n in range(1, 21))
    steps = [Progress("training", e, 20, ended=ended[: e - 1]) for e in epochs]
    steps.append(Progress("exporting", ended=ended))
    lines = [line for step in steps for line in changes.of(view(RequestState.RUNNING, step))]
    reported = [line for line in lines if line.startswith("epoch")]
    for line, epoch in zip(reported, range(1, 21), strict=True):
        assert line.startswith(f"epoch {epoch} of 20, ")
        assert line.endswith(f", held-out accuracy {epoch / 100:.2%}")
    assert lines.count("training") == lines.count("exporting") == 1


def test_every_epoch_has_a_line_with_its_held_out_accuracy_however_fast_they_end() -> None:
    """Three epochs end between two polls, and the last one before the version is exported."""
    ended = [EndedEpoch(n, 1 / n, n / 10, n / 20) for n in range(1, 6)]
    steps = [
        Progress("training", 1, 5, 1, 9),
        Progress("training", 4, 5, 1, 9, ended=tuple(ended[:3])),
        Progress("training", 5, 5, 9, 9, ended=tuple(ended[:4])),
        Progress("exporting", heldout_accuracy=0.25, ended=tuple(ended)),
        Progress("publishing"),
    ]
    changes = Changes()
    lines = [line for step in steps for line in changes.of(view(RequestState.RUNNING, step))]
    assert [line for line in lines if "epoch" in line] == [
        f"epoch {n} of 5, loss {1 / n:.4f}, train accuracy {n / 10:.2%}, "
        f"held-out accuracy {n / 20:.2%}"
        for n in range(1, 6)
    ]


def test_a_stage_that_counts_its_steps_has_a_time_left_after_a_moment() -> None:
    clock = request_meter.StageClock()
    assert clock.timed(Progress("loading", step=0, steps=302), 10.0) == (
        Progress("loading", step=0, steps=302), 0.0
    )  # fmt: skip
    early, _ = clock.timed(Progress("loading", step=2, steps=302), 18.0)
    assert early.left_s is None
    later, waited_s = clock.timed(Progress("loading", step=102, steps=302), 21.0)
    assert (later.left_s, waited_s) == (6.0, 11.0)  # the first 8 seconds were no step's
    assert request_meter.figures(later, waited_s).plain() == "loading, 102 of 302, 6 s left"
    (line,) = request_meter.figures(later, waited_s).live(80)
    assert click.unstyle(line).endswith("102 of 302  6 s left")
    exporting, waited_s = clock.timed(Progress("exporting"), 27.0)
    assert (exporting.left_s, waited_s) == (None, 0.0)  # a stage of its own
    assert request_meter.figures(exporting, 7.0).plain() == "exporting, 7 s"


class Shown(Quiet):
    """Whether there are figures."""

    has_figures = False

    def show(self, figures: Callable[[], Figures]) -> None:
        self.has_figures = True

    def close(self) -> None:
        self.has_figures = False


def test_figures_are_shown_until_the_check_and_the_request_have_ended() -> None:
    display = RequestDisplay(shown := Shown())
    for event, is_shown in (
        (Waiting("checking the folder"), True),
        (Waiting(""), False),
        (Viewed(view(RequestState.RUNNING, Progress("loading")), None), True),
        (Viewed(view(RequestState.DONE), None), False),
    ):
        display.show(event)
        assert shown.has_figures is is_shown


def test_the_time_left_of_slow_steps_is_that_of_their_mean() -> None:
    clock = request_meter.StageClock()
    for step in range(1, 10):  # of a minute each, and polled four times a second
        for tick in range(240):
            shown, _ = clock.timed(Progress("training", step=step, steps=10), step * 60 + tick / 4)
        if step > 1:
            assert shown.left_s is not None
            assert 60 * (10 - step) <= shown.left_s <= 2 * 60 * (10 - step)


def test_the_live_view_fits_a_terminal_of_80_columns() -> None:
    busy = Progress("training", 100, 100, 9_999, 10_000, 123_456.0, 12.345, 1.0, 0.9999, 36_000.0)
    lines = [click.unstyle(line) for line in request_meter.figures(busy, 1.0).live(80)]
    assert len(lines) == 2
    assert max(map(len, lines)) < 80
    assert lines[0].count("\u2501") >= 7
    assert request_meter.title(Progress("exporting")) == "exporting"


def test_other_work_under_a_stored_id_is_refused_before_anything_starts(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    store_request(settings.store_path, make_request(Train("garments", "fast"), "r1"))
    with pytest.raises(UsageError, match="other work"):
        submit(settings, make_request(Train("garments", "fast", seed=2), "r1"))
    assert not (here / "stack").exists()


def test_a_finished_request_in_the_store_is_not_submitted_again(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    store_request(settings.store_path, make_request(Train("garments", "fast"), "r1"), finished=True)
    assert submit(settings, make_request(Train("garments", "fast"), "r1")).ok
    assert not (here / "stack").exists()


def test_a_failed_request_names_its_error_and_how_to_submit_it_again(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    store_request(settings.store_path, make_request(Train("garments", "fast"), "r1"))
    outcome = msgspec.json.encode(Outcome(ok=False, error="no images; name another folder"))
    folder = request_store.folder(settings.store_path, "r1")
    (folder / request_store.OUTCOME_FILE).write_bytes(outcome)
    with pytest.raises(SetupError, match=r"failed before: no images; .*another --request-id"):
        submit(settings, make_request(Train("garments", "fast"), "r1"))


@pytest.mark.parametrize("stored", [b"", b'{"id": "r1"}', b'{"of": "a later version"}'])
def test_a_stored_request_that_cannot_be_read_is_not_replaced(here: Path, stored: bytes) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    file = request_store.folder(settings.store_path, "r1") / request_store.REQUEST_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(stored)
    with pytest.raises(BadMessage, match=r"^request r1 .*cannot be read.*another --request-id$"):
        submit(settings, make_request(Train("garments", "fast"), "r1"), wait=False)
    assert file.read_bytes() == stored
    assert not (here / "stack").exists()


def test_a_request_is_stored_once_with_its_input(here: Path) -> None:
    first = make_request(Train("garments", "fast"), "r1")
    request_store.keep(here, first, b"weights")
    request_store.keep(here, msgspec.structs.replace(first, created=0.0), b"other")
    assert request_store.load(here, "r1") == first
    folder = request_store.folder(here, "r1")
    assert (folder / request_store.INPUT_FILE).read_bytes() == b"weights"
    assert len(list(folder.iterdir())) == 3
    request_store.forget(here, "r1")
    assert request_store.unanswered(here) == []


def test_a_request_of_a_remote_broker_is_not_taken_by_the_local_stack(here: Path) -> None:
    settings = Settings(runtime_dir=str(here / "stack"), store=str(here / "store"))
    store_request(
        settings.store_path, make_request(Train("garments", "fast"), "r1"), elsewhere=True
    )
    assert request_store.unanswered(settings.store_path, here=True) == []
    assert len(request_store.unanswered(settings.store_path, here=False)) == 1
    with pytest.raises(UsageError, match="submitted at a broker; follow it with HANGTAG_REDIS_URL"):
        find(settings, "r1")
    assert not (here / "stack").exists()


def test_a_store_that_cannot_be_written_names_the_setting(here: Path) -> None:
    (here / "file").touch()
    with pytest.raises(SetupError, match="HANGTAG_STORE"):
        request_store.keep(here / "file", make_request(Train("garments", "fast")))


@pytest.mark.parametrize("before", [None, 1])
def test_a_promotion_is_reported_with_its_rollback_command_if_there_is_one(
    before: int | None,
) -> None:
    decision = Decided("production", 2, before, True, "it is better")
    printed = [
        click.unstyle(line)
        for line in summary(msgspec.structs.replace(ANSWER, decision=decision), {})
    ]
    assert "garments@production is version 2 now: it is better" in printed
    assert printed[-1].endswith("rollback garments" if before else "--model garments")


def test_an_unreadable_folder_is_named_before_anything_is_queued(here: Path) -> None:
    (here / "photos").chmod(0)
    env = {**os.environ, "HANGTAG_RUNTIME_DIR": f"{here}/stack", "HANGTAG_STORE": f"{here}/store"}
    env.pop("HANGTAG_REDIS_URL")
    command = [*obeying(here), sys.executable, "-m", "producer.cli", "train"]
    command += ["--data", str(here / "photos"), "--name", "garments"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    (here / "photos").chmod(0o700)
    assert (done.returncode, done.stdout) == (Exit.SETUP, "")
    (line,) = done.stderr.splitlines()
    assert f"{here}/photos" in line
    assert os.strerror(errno.EACCES) in line
    assert not (here / "store").exists()
