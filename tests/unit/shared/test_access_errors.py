"""What a refusal of Redis says about the password, and about its certificate."""

from __future__ import annotations

import ssl

import pytest
from redis.exceptions import AuthenticationError

from shared.broker.access_errors import access_error


@pytest.mark.parametrize("reply", ["Authentication required.", "WRONGPASS invalid password"])
def test_a_password_in_a_variable_that_is_no_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    monkeypatch.delenv("HANGTAG_REDIS_PASSWORD", raising=False)
    assert "no setting" not in str(access_error(AuthenticationError(reply)))
    monkeypatch.setenv("HANGTAG_REDIS_PASSWORD", "secret")
    line = str(access_error(AuthenticationError(reply)))
    assert "; HANGTAG_REDIS_PASSWORD is no setting" not in line, "a remedy starts with a verb"
    assert "HANGTAG_REDIS_PASSWORD is no setting" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("code", "message"),
    [(85, "Missing Authority Key Identifier"), (92, "CA cert without key usage")],
)
def test_a_certificate_that_strict_verification_refuses_is_not_to_be_renewed(
    code: int, message: str
) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, message
    line = str(access_error(error))
    assert message in line
    assert "docs/security.md" in line
    assert "renew" not in line
