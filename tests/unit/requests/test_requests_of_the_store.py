"""What commands know of a request from the store of this machine alone, without a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from producer.trainer.check_class_folders import check_class_folders
from producer.trainer.client import make_request
from producer.trainer.existing import (
    PAUSED,
    UNREADABLE,
    RequestNow,
    cancel,
    find,
    follow,
    is_known,
    open_requests,
    state_now,
)
from producer.trainer.submit import answer_file, data_place, how_to_start_trainer
from shared.broker.runtime_paths import log_path
from shared.errors import BadMessage, RequestCancelled, SetupError, UsageError
from shared.ledger import request_store
from shared.ledger.request_store import RequestState
from shared.messages.requests import Outcome, Promote, Request
from shared.messages.training import FASHION_MNIST, Train
from shared.settings import Settings
from tests.support.jobs import stored_requests

FASHION_IMAGES = 60_000
REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)
AT_A_BROKER = "redis://:secret@host:1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=str(tmp_path / "store"))


@pytest.mark.parametrize("use", [find, cancel])
def test_an_unknown_request_is_a_usage_error(
    settings: Settings, use: Callable[[Settings, str], object]
) -> None:
    stored_requests.keep(settings.store_path, REQUEST)
    with pytest.raises(UsageError, match=r"there is no request r2; .*hangtag train --list"):
        use(settings, "r2")


def test_a_request_that_waits_for_the_next_stack_is_found(settings: Settings) -> None:
    stored_requests.keep_on_stack(settings, REQUEST)
    assert find(settings, "r1").request.work == REQUEST.work
    assert [one.state for one in open_requests(settings)] == [PAUSED]


def test_a_request_that_a_trainer_works_on_is_running_without_any_server(
    settings: Settings,
) -> None:
    """That of another stack or of a broker has its lock."""
    with stored_requests.keep(settings.store_path, REQUEST).locked(0):
        assert [one.state for one in open_requests(settings)] == [RequestState.RUNNING]


@pytest.mark.parametrize("content", [b"", b'{"id":"r1","work":{"type":"Of2030"}}'])
def test_a_request_that_cannot_be_read_is_listed_and_can_be_cancelled(
    settings: Settings, content: bytes
) -> None:
    """As one that only Redis has."""
    folder = stored_requests.keep(settings.store_path, REQUEST)
    (folder.path / request_store.REQUEST_FILE).write_bytes(content)
    (listed,) = open_requests(settings)
    assert (listed.request, listed.state, listed.work) == ("r1", UNREADABLE, None)
    with pytest.raises(BadMessage, match=r"cannot be read.*hangtag cancel r1"):
        find(settings, "r1")
    assert cancel(settings, "r1") == "request r1 is cancelled"
    assert open_requests(settings) == []
    assert is_known(settings, "r1")


def test_an_id_is_known_if_it_is_stored_finished_or_cancelled(settings: Settings) -> None:
    assert not is_known(settings, "r1")
    assert not is_known(settings, "../r1")
    folder = stored_requests.keep(settings.store_path, REQUEST)
    assert is_known(settings, "r1")
    stored_requests.finish(folder, Outcome(ok=True))
    assert is_known(settings, "r1")
    other = msgspec.structs.replace(REQUEST, id="r2")
    stored_requests.keep(settings.store_path, other).cancel()
    assert is_known(settings, "r2")
    with pytest.raises(RequestCancelled, match="request r2 is cancelled"):
        follow(settings, "r2")
    assert state_now(settings, "r2") == RequestNow(RequestState.CANCELLED)


def test_what_has_finished_is_followed_without_a_stack_and_not_cancelled(
    settings: Settings,
) -> None:
    stored_requests.finish(stored_requests.keep(settings.store_path, REQUEST), Outcome(ok=True))
    assert follow(settings, "r1") == (REQUEST, Outcome(ok=True))
    with pytest.raises(UsageError, match="request r1 has finished; there is nothing to cancel"):
        cancel(settings, "r1")


def test_a_plot_of_an_outcome_is_read_from_the_store(settings: Settings) -> None:
    folder = stored_requests.keep(settings.store_path, REQUEST)
    stored_requests.finish(folder, Outcome(ok=True), {"grid.png": b"pixels"})
    assert answer_file(settings, "r1", "grid.png") == b"pixels"
    with pytest.raises(SetupError, match=r"other.png of request r1 has expired"):
        answer_file(settings, "r1", "other.png")


def test_a_missing_trainer_of_the_stack_is_explained_by_its_log(settings: Settings) -> None:
    assert how_to_start_trainer(settings) == (
        f"no trainer has started yet; see {log_path(settings)}"
    )
    at_broker = msgspec.structs.replace(settings, redis_url=AT_A_BROKER)
    assert "hangtag worker --queue train" in how_to_start_trainer(at_broker)


def test_an_empty_folder_name_is_not_the_current_folder(settings: Settings) -> None:
    with pytest.raises(UsageError, match="--data is empty"):
        data_place("", settings)


def test_an_address_is_no_folder_of_data_and_its_password_is_not_displayed(
    settings: Settings,
) -> None:
    with pytest.raises(UsageError, match="is an address, and a data set is a folder") as error:
        data_place("s3://user:secret@bucket/photos", settings)
    assert "secret" not in str(error.value)


def test_a_name_that_no_model_can_have_is_explained() -> None:
    with pytest.raises(UsageError, match="'No/Name' cannot be a model; use small letters"):
        make_request(Train("No/Name", "fast"))


@pytest.mark.parametrize("index", [-1, FASHION_IMAGES])
def test_an_index_out_of_range_is_refused_without_the_images(index: int) -> None:
    for known in (0, FASHION_IMAGES - 1):
        check_class_folders(FASHION_MNIST, "show", Settings(), index=known)
    with pytest.raises(UsageError, match=f"there is no image {index}; "):
        check_class_folders(FASHION_MNIST, "show", Settings(), index=index)
