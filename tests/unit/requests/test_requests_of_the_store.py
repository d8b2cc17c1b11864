"""What commands know of a request from the store of this machine alone, without a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from producer.requests.check_class_folders import check_class_folders
from producer.requests.client import make_request
from producer.requests.existing import cancel, find, is_known
from producer.requests.open_requests import ELSEWHERE, PAUSED, UNREADABLE, open_requests
from producer.requests.submit import _check_before, check_outcome, data_place
from producer.requests.wait import how_to_start_trainer, stored_outcome
from shared.broker.runtime_paths import log_path
from shared.errors import RequestCancelled, SetupError, UsageError
from shared.ledger import cancelled_requests, request_store
from shared.messages.requests import Outcome, Promote, Request
from shared.messages.training import FASHION_MNIST, Train
from shared.settings import Settings

FASHION_IMAGES = 60_000
REQUEST = Request("r1", Promote("shoes@2"), "ann", 1.0)
AT_A_BROKER = "redis://:secret@host:1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=str(tmp_path / "store"))


def keep(settings: Settings, *, here: bool = True) -> Path:
    """Store a request: of a stack of this machine, or one that a broker has left."""
    request_store.keep(settings.store_path, REQUEST)
    folder = request_store.folder(settings.store_path, "r1")
    if not here:
        (folder / request_store.HERE_FILE).unlink()
    return folder


def finish(settings: Settings) -> None:
    folder = request_store.folder(settings.store_path, "r1")
    (folder / request_store.OUTCOME_FILE).write_bytes(msgspec.json.encode(Outcome(ok=True)))


@pytest.mark.parametrize("use", [find, cancel])
def test_an_unknown_request_is_a_usage_error_beside_those_of_a_broker(
    settings: Settings, use: Callable[[Settings, str], object]
) -> None:
    keep(settings, here=False)
    with pytest.raises(UsageError, match=r"there is no request r2; .*hangtag train --list"):
        use(settings, "r2")


@pytest.mark.parametrize(("here", "state"), [(True, PAUSED), (False, ELSEWHERE)])
def test_a_request_that_waits_for_the_next_stack_is_found_and_one_of_a_broker_is_elsewhere(
    settings: Settings, here: bool, state: str
) -> None:
    keep(settings, here=here)
    assert not here or find(settings, "r1") == REQUEST
    assert [one.state for one in open_requests(settings)] == [state]


def test_a_request_of_a_broker_is_found_once_it_is_finished(settings: Settings) -> None:
    keep(settings, here=False)
    assert not is_known(settings, "r1")
    finish(settings)
    assert find(settings, "r1") == REQUEST


@pytest.mark.parametrize("content", [b"", b'{"id":"r1","work":{"type":"Of2030"}}'])
def test_a_request_that_cannot_be_read_is_listed_and_can_be_cancelled(
    settings: Settings, content: bytes
) -> None:
    """As one that only Redis has."""
    (keep(settings) / request_store.REQUEST_FILE).write_bytes(content)
    (listed,) = open_requests(settings)
    assert (listed.request, listed.state, listed.work) == ("r1", UNREADABLE, None)
    with pytest.raises(UsageError, match=r"cannot be read.*hangtag cancel r1"):
        find(settings, "r1")
    assert cancel(settings, "r1") == "request r1 is cancelled"
    assert open_requests(settings) == []
    assert is_known(settings, "r1")


def test_an_id_is_known_if_it_is_stored_finished_or_cancelled(settings: Settings) -> None:
    assert not is_known(settings, "r1")
    folder = keep(settings)
    assert is_known(settings, "r1")
    finish(settings)
    (folder / request_store.REQUEST_FILE).unlink()
    assert is_known(settings, "r1")
    (folder / request_store.OUTCOME_FILE).unlink()
    assert not is_known(settings, "r1")
    cancelled_requests.record(settings.store_path, "r1", REQUEST)
    assert is_known(settings, "r1")
    with pytest.raises(RequestCancelled, match="request r1 is cancelled"):
        find(settings, "r1")


def test_a_request_that_a_broker_left_is_deleted_or_the_store_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = keep(settings, here=False)

    def unwritable(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unwritable)
        with pytest.raises(SetupError, match=r"r1 cannot be deleted; make .*store writable"):
            cancel(settings, "r1")
    assert "r1 was submitted at a broker; it is deleted" in cancel(settings, "r1")
    assert not (folder / request_store.REQUEST_FILE).exists()


def test_the_outcome_of_a_broker_is_not_read_from_the_store_of_this_machine(
    settings: Settings,
) -> None:
    keep(settings)
    finish(settings)
    assert stored_outcome(settings, "r1") == Outcome(ok=True)
    at_broker = msgspec.structs.replace(settings, redis_url=AT_A_BROKER)
    assert stored_outcome(at_broker, "r1") is None


def test_a_bad_outcome_is_an_error_of_its_kind() -> None:
    assert check_outcome(Outcome(ok=True)).ok
    with pytest.raises(UsageError, match="no recipe"):
        check_outcome(Outcome(ok=False, error="no recipe", usage=True))
    with pytest.raises(SetupError, match="no images") as raised:
        check_outcome(Outcome(ok=False, error="no images"))
    assert not isinstance(raised.value, UsageError)


def test_a_request_that_expires_while_it_is_submitted_again_is_no_error() -> None:
    """Redis has had it when it was submitted, and nothing when it was read."""
    _check_before(None, "r1")


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


def test_a_folder_that_a_trainer_would_refuse_is_refused_here(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there are no images"):
        check_class_folders(str(tmp_path), "train", Settings())
