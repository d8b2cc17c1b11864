"""The address of an S3 server in the environment is checked before the library gets it: it ends the
process at one that is none."""

from __future__ import annotations

import pytest

from producer.sources.remote.s3_client import check_server
from shared.errors import SetupError

NAMES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:9000", "https://", "https://host:port", "https://host:0", "https://a b", "x://a",
     "https://host:9000\nmore", "https://h\u00f6st", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(SetupError) as error:
        check_server()
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


def test_an_address_without_encryption_needs_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    with pytest.raises(SetupError, match="AWS_ALLOW_HTTP=true"):
        check_server()
    monkeypatch.setenv("AWS_ALLOW_HTTP", "True")
    check_server()


@pytest.mark.parametrize("address", ["", "https://s3.example.org", "https://[::1]:9000/path"])
def test_an_address_is_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", address)
    check_server()
