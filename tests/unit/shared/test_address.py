"""The configuration of the broker is checked before a connection, and no secret is displayed."""

from __future__ import annotations

import importlib
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.machine.commands import worker_line
from shared.broker import address as access
from shared.broker.address import Address, address, parse
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url
from shared.errors import SetupError
from shared.settings import Settings

#: With every character that has a meaning in a URL.
SECRET = "pa/ss?w#or@d:%41&=;"
REMOTE = "redis://broker.example:6379"


def of(url: str, **settings: str) -> Address:
    return address(Settings(redis_url=url, **settings))  # type: ignore[arg-type]


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(SECRET + "\n")
    return str(path)


@given(
    password=st.text(min_size=1), user=st.text(), host=st.sampled_from(["h", "[::1]", "1.2.3.4"])
)
def test_any_password_passes_through_a_url_and_is_not_displayed(
    password: str, user: str, host: str
) -> None:
    try:
        url = f"rediss://{quote(user, safe='')}:{quote(password, safe='')}@{host}:7/3"
    except UnicodeEncodeError:
        return
    found = of(url)
    assert found.credentials() == ((user, password) if user else (password,))
    assert str(found) == repr(found) == f"rediss://{host}:7/3"
    client = connect(found, "test")
    provider = client.connection_pool.connection_kwargs["credential_provider"]
    assert provider.get_credentials() == found.credentials()
    app = make_app(found, "test")
    assert str(app.conf.broker_url) == str(found)
    app.close()


@pytest.mark.parametrize("text", [SECRET, f":{SECRET}@h", f"u:{SECRET}@h:1/0"])
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_password_that_is_not_encoded_is_refused_and_not_repeated(scheme: str, text: str) -> None:
    with pytest.raises(SetupError, match="HANGTAG_REDIS_PASSWORD_FILE") as caught:
        of(f"{scheme}://{text}")
    displayed = "".join(traceback.format_exception_only(caught.value))
    assert not any(part in displayed for part in ("pa/", "w#or", "ss?", "%41"))
    assert access.redacted(f"{scheme}://{text}") == "HANGTAG_REDIS_URL"


#: Pieces of generated passwords: characters with a meaning in a URL, digits, which may be ports
#: or databases, and texts that occur in no message.
PIECES = [*"/?#@:%&=[] ", "//", "12", "%41", "XQZ", "QXJ", "db=", "password=", "ssl_"]
HOSTS = ["h", "h:1/2", "[::1]:7", "h?db=1"]
SOCKETS = ["/run/redis.sock", "/run/redis.sock?db=2", "run/redis.sock"]
WHERE = {"unix": SOCKETS, "redis": HOSTS, "rediss": HOSTS}


def _unchanged(text: str) -> str:
    return text


def _quoted_except_slashes(text: str) -> str:
    return quote(text, safe="/")


#: How the password is written, with the separators before and after it.
TYPED = [
    (_unchanged, ":", "@"),
    (_quoted_except_slashes, ":", "@"),
    (_quoted_except_slashes, ":", "%40"),
    (_quoted_except_slashes, "%3A", "%40"),
]


@given(
    scheme=st.sampled_from(list(WHERE)),
    secret=st.lists(st.sampled_from(PIECES), min_size=1).map("".join),
    user=st.sampled_from(["", "me"]),
    typed=st.sampled_from(TYPED),
    data=st.data(),
)
def test_no_part_of_a_password_in_a_url_is_in_any_message(
    scheme: str,
    secret: str,
    user: str,
    typed: tuple[Callable[[str], str], str, str],
    data: st.DataObject,
) -> None:
    write, before, after = typed
    where = data.draw(st.sampled_from(WHERE[scheme]))
    url = f"{scheme}://{user}{before}{write(secret)}{after}{where}"
    displayed = [access.redacted(url)]
    try:
        found = parse(url, insecure=True)
        app = make_app(found, "test")
        displayed += [str(found), str(app.conf.broker_url), worker_line(Settings(redis_url=url))]
        app.close()
    except SetupError as error:
        displayed += traceback.format_exception(error)
    for part in ("XQZ", "QXJ"):
        assert part not in "".join(displayed).upper()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.9", "[::1]"])
def test_on_this_machine_no_password_is_needed(host: str) -> None:
    assert of(f"redis://{host}").credentials() == ()
    assert of("unix:///run/redis.sock").credentials() == ()


@pytest.mark.parametrize(
    "url",
    ["redis://broker", "rediss://broker", "redis://user@broker", "redis://:@broker",
     "redis://0.0.0.0", "redis://10.0.0.1:1/2", "redis://[fe80::1]", "redis://127.0.0.1.example",
     "redis://localhost.example", "redis://128.0.0.1"],
)  # fmt: skip
def test_a_remote_address_requires_a_password_unless_insecure(url: str, password_file: str) -> None:
    for settings in (Settings(redis_url=url), Settings(redis_url=url, redis_insecure="0")):
        with pytest.raises(SetupError, match=r"no password; set .*, use a socket, .*INSECURE=1"):
            broker_url(settings)
    assert of(url, redis_insecure="1").credentials() == ()
    assert of(url, redis_password_file=password_file).credentials()[-1] == SECRET


@pytest.mark.parametrize(
    "query",
    ["ssl_cert_reqs=none", "ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs=optional", "ssl_cert_reqs=",
     "ssl_check_hostname=false", "ssl_check_hostname=0", "ssl_check_hostname=False",
     "ssl_cert_reqs=required&ssl_check_hostname=no"],
)  # fmt: skip
def test_verification_is_not_disabled_unless_insecure(query: str) -> None:
    url = f"rediss://:x@broker?{query}"
    with pytest.raises(
        SetupError, match=r"turns off the check of .*; name .*HANGTAG_REDIS_CA.*INSECURE=1"
    ):
        of(url)
    for make in (connect, make_app):
        with pytest.raises(SetupError, match="turns off the check"):
            make(url, "test")
    assert not of(url, redis_insecure="1").verified


def test_both_clients_verify_the_certificate_and_the_host(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    found = of("rediss://:x@broker", redis_ca=str(tmp_path / "ca.pem"))
    app = make_app(found, "test")
    mine = connect(found, "test").connection_pool.connection_kwargs
    for given_to in (mine, app.conf.broker_use_ssl):
        assert given_to["ssl_cert_reqs"] == ssl.CERT_REQUIRED
        assert given_to["ssl_check_hostname"] is True
        assert given_to["ssl_ca_certs"] == str(tmp_path / "ca.pem")
    app.close()


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("amqp://h", "must start with"),
        ("//h", "must start with"),
        ("localhost:6379", "must start with"),
        ("redis://:x@h?socket_timeout=1", "remove it"),
        ("redis://h?password=x", "HANGTAG_REDIS_PASSWORD_FILE"),
        ("redis://:x@h?ssl_ca_certs=/x", "start it with rediss"),
        ("redis://:x@h:0", "no valid port"),
        ("redis://:x@h:99999999", "cannot be read"),
        ("redis://:x@h:port", "cannot be read"),
        ("redis://:x@[::1", "cannot be read"),
        ("redis://:x@h/db", "no valid database"),
        ("redis://:x@h/-1", "no valid database"),
        ("redis://:x@h#0", "cannot be read"),
        ("unix:///s?db=x", "no valid database"),
        ("unix://redis.sock", "unix:///"),
        ("unix://me:x@run/redis.sock", "unix:///"),
        ("unix:", "unix:///"),
        ("unix://", "unix:///"),
        ("unix:///", "unix:///"),
        ("unix:///s?ssl_ca_certs=/x", "start it with rediss"),
    ],
)
def test_an_unusable_url_is_one_line_with_the_fix(url: str, fix: str) -> None:
    with pytest.raises(SetupError, match=fix) as caught:
        of(url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two\nlines", b"\xff", b"nul\0", b"x" * 5000], ids=repr
)
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    for path in (tmp_path / "password", tmp_path / "absent", tmp_path):
        with pytest.raises(SetupError, match="HANGTAG_REDIS_PASSWORD_FILE=") as caught:
            of(REMOTE, redis_password_file=str(path))
        assert "lines" not in str(caught.value)


def test_a_password_is_given_only_once(password_file: str) -> None:
    with pytest.raises(SetupError, match="unset one"):
        of("redis://:x@broker", redis_password_file=password_file)


@pytest.mark.parametrize("setting", ["redis_ca", "redis_cert", "redis_key"])
def test_a_certificate_file_exists_and_is_valid(tmp_path: Path, setting: str) -> None:
    with pytest.raises(SetupError, match="No such file"):
        of("rediss://:x@broker", **{setting: str(tmp_path / "absent")})
    (tmp_path / "there").touch()
    with pytest.raises(SetupError, match="need TLS"):
        of("redis://:x@broker", **{setting: str(tmp_path / "there")})


@pytest.mark.parametrize("module", ["worker.app", "worker.trainer"])
def test_workers_accept_json_and_nothing_else(module: str) -> None:
    for app in (importlib.import_module(module).app, make_app("unix:///run/redis.sock", "test")):
        assert list(app.conf.accept_content) == ["json"]
        assert app.conf.task_serializer == "json"
        assert app.conf.result_backend is None
        assert not app.conf.worker_enable_remote_control
