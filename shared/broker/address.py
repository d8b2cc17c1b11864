"""The broker's address, our credentials there and their files, how its certificate is verified.

Everything that decides about access is here, so that both clients (redis-py in
`shared/broker/redis_client.py`, Celery's in `shared/broker/transport.py`) behave the same.
"""

from __future__ import annotations

import ipaddress
import ssl
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import msgspec

from shared import regular_file
from shared.errors import SetupError
from shared.settings import Settings

VARIABLE = "HANGTAG_REDIS_URL"
DEFAULT_PORT = 6379
MAX_PORT = 65535
MAX_PASSWORD_BYTES = 4096
#: All authorities of a system together have 0.3 MB.
MAX_PEM_BYTES = 1 << 24
SOCKET, PLAIN, TLS = "unix", "redis", "rediss"
_ENCODE = "write each of / ? # @ : % in a password as %XX, or use HANGTAG_REDIS_PASSWORD_FILE"
_OTHERWISE = "or accept the risk with HANGTAG_REDIS_INSECURE=1"
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_NO = ("0", "f", "false", "n", "no")


class Address(msgspec.Struct, frozen=True):
    """A broker. Its text is the URL without user and password, also in a traceback."""

    scheme: str
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""  #: of the socket
    db: int = 0
    user: str = ""
    password: str = ""
    password_file: str = ""  #: read for each connection, so that the password may change
    ca: str = ""  #: PEM file of authorities that are trusted in addition to the system's
    cert: str = ""
    key: str = ""
    verified: bool = True  #: verify the server's certificate and its host name

    def __str__(self) -> str:
        if self.scheme == SOCKET:
            return f"unix://{quote(self.path, '/@')}" + (f"?db={self.db}" if self.db else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" + (f"/{self.db}" if self.db else "")

    __repr__ = __str__

    def credentials(self) -> tuple[str, ...]:
        """(password,) or (user, password); empty without a password.

        Raises:
            SetupError: the password file cannot be read.
        """
        password = read_password(self.password_file) if self.password_file else self.password
        if not password:
            return ()
        return (self.user, password) if self.user else (password,)

    def tls(self) -> dict[str, Any]:
        """TLS options of both clients, by redis-py's names; empty without TLS."""
        if self.scheme != TLS:
            return {}
        return {
            "ssl_cert_reqs": ssl.CERT_REQUIRED if self.verified else ssl.CERT_NONE,
            "ssl_check_hostname": self.verified,
            "ssl_ca_certs": self.ca or None,
            "ssl_certfile": self.cert or None,
            "ssl_keyfile": self.key or None,
        }


def address(settings: Settings) -> Address:
    """The configured broker, checked.

    Raises:
        SetupError: the configuration is unusable or insecure.
    """
    insecure = _insecure(settings.redis_insecure)
    broker = parse(settings.redis_url, insecure=insecure)
    broker = _with_settings(broker, settings)
    if not insecure and not is_private(broker) and not broker.credentials():
        raise SetupError(
            f"{VARIABLE} names a server on another machine and no password; set "
            f"HANGTAG_REDIS_PASSWORD_FILE, use a socket, {_OTHERWISE}"
        )
    broker.credentials()
    for file in filter(None, (broker.ca, broker.cert, broker.key)):
        check_file(file)
    return broker


def parse(url: str, *, insecure: bool = False) -> Address:
    """The address in a URL: redis://, rediss:// or unix://. Errors never quote the URL.

    Raises:
        SetupError: it is invalid, or turns verification off, unless `insecure`.
    """
    try:
        parts = urlsplit(url)
        whole = _is_whole(parts)
        port = DEFAULT_PORT if parts.scheme == SOCKET or parts.port is None else parts.port
    except ValueError:
        raise SetupError(f"{VARIABLE} cannot be read; {_ENCODE}") from None
    if parts.scheme not in (SOCKET, PLAIN, TLS):
        raise SetupError(f"{VARIABLE} must start with redis://, rediss:// or unix://")
    if not whole:
        raise SetupError(f"{VARIABLE} cannot be read; {_ENCODE}")
    parameters = _parameters(parts)
    verified = _verified(parameters, insecure)
    user = parameters.pop("username", unquote(parts.username or ""))
    password = parameters.pop("password", unquote(parts.password or ""))
    db = _db(parameters, parts)
    ca, cert, key = (
        parameters.pop(name, "") for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    )
    if parameters:  # not quoted: it may be a part of a password
        raise SetupError(f"{VARIABLE} has an unknown parameter; remove it, or {_ENCODE}")
    if parts.scheme == SOCKET:
        return Address(SOCKET, path=_socket(parts), db=db, user=user, password=password)
    if not 0 < port <= MAX_PORT:
        raise SetupError(f"{VARIABLE} has no valid port; give one from 1 to {MAX_PORT}")
    return Address(
        parts.scheme, unquote(parts.hostname or "localhost"), port, db=db, user=user,
        password=password, ca=ca, cert=cert, key=key, verified=verified,
    )  # fmt: skip


def address_of(broker: Address | str) -> Address:
    """The address of a broker that is given as a URL or an address.

    Raises:
        SetupError: the URL cannot be used.
    """
    return parse(broker) if isinstance(broker, str) else broker


def redacted(broker: Address | str) -> str:
    """A broker's URL for display, without user and password, also if it is invalid."""
    if isinstance(broker, Address):
        return str(broker)
    try:
        return str(parse(broker, insecure=True)) if broker else ""
    except SetupError:
        return "HANGTAG_REDIS_URL"


def _insecure(text: str) -> bool:
    if text not in ("", "0", "1"):
        raise SetupError("HANGTAG_REDIS_INSECURE is 1 or 0; unset or change it")
    return text == "1"


def _is_whole(parts: SplitResult) -> bool:
    """Whether no part of an unencoded password was parsed as a path, a host or a port."""
    if parts.fragment:
        return False
    if parts.scheme == SOCKET and not parts.netloc:  # there is no user: all of it is a path
        return parts.path[:1] in ("", "/")
    before, _, host = parts.netloc.rpartition("@")
    decoded = unquote(host)
    if "@" in parts.path + parts.query + decoded:
        return False
    colons = host.count(":") if parts.scheme != SOCKET or before else 0
    return decoded.count(":") == colons


def _socket(parts: SplitResult) -> str:
    path = unquote(parts.netloc.rpartition("@")[2] + parts.path)
    if not path.startswith("/") or not path.strip("/"):
        raise SetupError(
            f"{VARIABLE} has no absolute path of a socket; write unix:///FOLDER/redis.sock, "
            "or unix://USER:PASSWORD@/FOLDER/redis.sock"
        )
    return path


def _parameters(parts: SplitResult) -> dict[str, str]:
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != SOCKET and {"username", "password"} & parameters.keys():
        raise SetupError(
            f"{VARIABLE} has its password in a parameter; write redis://USER:PASSWORD@HOST, "
            "or use HANGTAG_REDIS_PASSWORD_FILE"
        )
    if parts.scheme != TLS and any(name.startswith("ssl_") for name in parameters):
        raise SetupError(f"{VARIABLE} has parameters for TLS; start it with rediss://")
    return parameters


def _verified(parameters: dict[str, str], insecure: bool) -> bool:
    """Whether to verify the server. Takes the two parameters that both clients have for it out of
    `parameters`."""
    demanded = (
        parameters.pop("ssl_cert_reqs", "required").lower().removeprefix("cert_") == "required"
    )
    named = parameters.pop("ssl_check_hostname", "true").lower() not in _NO
    if not (demanded and named) and not insecure:
        raise SetupError(
            f"{VARIABLE} turns off the check of the server's certificate; name the authority "
            f"that signed it with HANGTAG_REDIS_CA instead, {_OTHERWISE}"
        )
    return demanded and named


def _db(parameters: dict[str, str], parts: SplitResult) -> int:
    """The number of the database. Takes `db` out of `parameters`."""
    text = parameters.pop("db", "" if parts.scheme == SOCKET else parts.path.strip("/")) or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise SetupError(f"{VARIABLE} has no valid database; give a number or leave it out")
    return int(text)


def _with_settings(broker: Address, settings: Settings) -> Address:
    """The address, completed by the settings for its parts. A password may be given only once."""
    configured = {
        "user": settings.redis_user,
        "password_file": settings.redis_password_file,
        "ca": settings.redis_ca,
        "cert": settings.redis_cert,
        "key": settings.redis_key,
    }
    if broker.scheme != TLS and (
        broker.ca or any(configured[name] for name in ("ca", "cert", "key"))
    ):
        raise SetupError(
            f"HANGTAG_REDIS_CA, _CERT and _KEY need TLS; start {VARIABLE} with rediss://"
        )
    if broker.password and configured["password_file"]:
        raise SetupError(
            f"both {VARIABLE} and HANGTAG_REDIS_PASSWORD_FILE set a password; unset one"
        )
    return msgspec.structs.replace(broker, **{k: v for k, v in configured.items() if v})


def is_private(broker: Address) -> bool:
    """Whether traffic to the server stays on this machine."""
    if broker.scheme == SOCKET or broker.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(broker.host).is_loopback
    except ValueError:
        return False


def read_password(path: str) -> str:
    """The password in HANGTAG_REDIS_PASSWORD_FILE.

    Raises:
        SetupError: the file is unreadable, or does not hold one printable line.
    """
    try:
        data = regular_file.read(path, MAX_PASSWORD_BYTES)
        text = data.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SetupError(f"HANGTAG_REDIS_PASSWORD_FILE={path}: {reason}; fix that file") from None
    if not text or len(data) > MAX_PASSWORD_BYTES or not text.isprintable():
        raise SetupError(f"HANGTAG_REDIS_PASSWORD_FILE={path} must hold one line, the password")
    return text


def check_file(path: str) -> None:
    """Raises SetupError for an unreadable certificate or key: at the start, not on first use."""
    try:
        data = regular_file.read(path, MAX_PEM_BYTES)
        reason = "too large" if len(data) > MAX_PEM_BYTES else ""
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise SetupError(f"{path}: {reason}; check HANGTAG_REDIS_CA, _CERT and _KEY")
