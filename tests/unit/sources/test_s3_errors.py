"""An error of an S3 server is one line that says what to set or to allow."""

from __future__ import annotations

import pytest

from producer.sources.remote.s3_client import S3Client, lack, listing_error, object_error
from shared.errors import NoCredentials, SetupError

REGION = "<Region>eu-central-1</Region>"


def answer(status: str, code: str, more: str = "") -> Exception:
    """An error with the text of the library for an answer of the server."""
    return Exception(
        "Generic S3 error: Error performing GET http://127.0.0.1:9000/pics/a.jpg in 3.2ms - "
        f"Server returned non-2xx status code: {status}: <?xml version='1.0'?><Error>"
        f"<Code>{code}</Code><Message>a text</Message>{more}</Error>\n\nDebug source:\nGeneric"
    )


def of_listing(error: Exception) -> str:
    line = listing_error("pics", error)
    assert line is not None
    return str(line)


def test_a_wrong_region_is_answered_with_the_right_one() -> None:
    error = answer("400 Bad Request", "AuthorizationHeaderMalformed", REGION)
    for line in (of_listing(error), str(object_error("pics", error))):
        assert line.startswith("s3://pics ")
        assert "AWS_REGION=eu-central-1" in line


def test_a_malformed_header_without_a_region_is_no_other_region() -> None:
    error = answer("400 Bad Request", "AuthorizationHeaderMalformed")
    line = of_listing(error)
    assert "region" not in line
    assert "s3:ListBucket" not in line


def test_a_listing_that_is_denied_names_the_permissions() -> None:
    line = of_listing(answer("403 Forbidden", "AccessDenied"))
    assert "(AccessDenied); allow them s3:ListBucket and s3:GetObject" in line
    assert "resumes" not in line, "there may be no job"


def test_a_server_that_is_down_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = Exception("Generic S3 error: Error performing GET x - HTTP error: no answer")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert "AWS_ENDPOINT_URL" not in of_listing(error)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:secret@127.0.0.1:9000")
    line = of_listing(error)
    assert "s3://pics at 127.0.0.1:9000 cannot be reached" in line
    assert "; check AWS_ENDPOINT_URL" in line
    assert "secret" not in line


@pytest.mark.skipif(bool(lack()), reason="needs the extra remote")
def test_a_key_without_its_secret_is_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SKIP_SIGNATURE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    client = S3Client()
    with pytest.raises(NoCredentials, match="AWS_SECRET_ACCESS_KEY"):
        client.listing("pics", "", "")
    client.close()
    assert issubclass(NoCredentials, SetupError)
