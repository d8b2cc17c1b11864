"""The address of an S3 server in the environment is checked before a request is sent."""

from __future__ import annotations

import pytest

from producer.sources.remote.s3_client import server_address
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
     "https://host:9000\nmore", "https://host/?a", "https://h\u00f6st", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(SetupError) as error:
        server_address("eu-west-1")
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


def test_an_address_without_encryption_needs_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    with pytest.raises(SetupError, match="AWS_ALLOW_HTTP=true"):
        server_address("eu-west-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "True")
    server_address("eu-west-1")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", b"s3.eu-west-1.amazonaws.com"),
        ("https://s3.example.org", b"s3.example.org"),
        ("https://user:secret@[::1]:9000/path", b"[::1]:9000"),
    ],
)
def test_an_address_is_taken(monkeypatch: pytest.MonkeyPatch, address: str, host: bytes) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", address)
    assert server_address("eu-west-1").netloc == host
