"""What a refusal of Redis says about the password."""

from __future__ import annotations

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
