"""A command that is printed for another machine works there and contains no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.machine import workers
from producer.machine.commands import trainer_line, worker_line
from shared.broker.address import address
from shared.settings import Settings
from tests.support.deploy.shell_line import Typed, typed

SECRET = "XQZ"
NEED_A_FILE = ["rediss://broker:6379", "redis://broker/3", "rediss://[fe80::1]:7"]
URLS = [
    *NEED_A_FILE,
    f"rediss://hangtag-producer:{SECRET}@broker",
    f"redis://:{SECRET}@broker:6379",
    "redis://localhost:6379",
    "unix:///run/a b/redis.sock?db=2",
    f"unix:///run/redis.sock?password={SECRET}",
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Files by the name of their setting. Each part has its own password."""
    found = {}
    for name in ("redis_password_file", "redis_ca", "redis_cert", "redis_key"):
        path = tmp_path / f"our {name}"
        path.write_text(f"{SECRET}\n")
        found[name] = str(path)
    return found


def there(line: str, tmp_path: Path) -> tuple[Typed, Settings]:
    """The settings after the command is typed on another machine."""
    read = typed(line)
    theirs = tmp_path / "theirs"
    theirs.write_text("of-the-part\n")
    left = [name for name, value in read.variables.items() if value == "..."]
    return read, Settings.from_env(read.filled_in(**dict.fromkeys(left, str(theirs))))


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("user", ["", "hangtag-producer", "somebody"])
@pytest.mark.parametrize("tls", [(), ("redis_ca",), ("redis_ca", "redis_cert", "redis_key")])
def test_the_printed_command_is_accepted_there_and_leads_to_the_same_broker(
    url: str, user: str, tls: tuple[str, ...], files: dict[str, str], tmp_path: Path
) -> None:
    given = {name: files[name] for name in tls if url.startswith("rediss:")}
    if url in NEED_A_FILE:
        given["redis_password_file"] = files["redis_password_file"]
    ours = Settings(redis_url=url, redis_user=user, **given)  # type: ignore[arg-type]
    broker = address(ours)
    for line, part in ((worker_line(ours, 2), "worker"), (trainer_line(ours), "trainer")):
        assert SECRET not in line
        read, theirs = there(line, tmp_path)
        found = address(theirs)
        assert (str(found), found.verified, found.ca) == (str(broker), True, broker.ca)
        assert bool(found.cert) == bool(found.key) == bool(broker.cert)
        assert found.credentials()[-1:] == ("of-the-part",) * bool(broker.credentials())
        if broker.credentials():  # without a password there is no user
            shipped = broker.user.startswith("hangtag-")
            assert found.user == (f"hangtag-{part}" if shipped else broker.user)
        assert read.arguments[:1] == ["worker"]


@pytest.mark.parametrize("url", ["redis://broker", "rediss://broker?ssl_cert_reqs=none"])
def test_an_intentionally_insecure_address_stays_so_there(url: str, tmp_path: Path) -> None:
    ours = Settings(redis_url=url, redis_insecure="1")
    _, theirs = there(worker_line(ours), tmp_path)
    assert address(theirs) == address(ours)


def test_older_workers_are_named_in_one_line_with_the_remedy() -> None:
    """A host's name is what any client of the broker wrote."""
    assert workers.older_workers(Settings(), ()) == ""
    at_broker = Settings(redis_url="redis://broker:6379", redis_insecure="1")
    one = workers.older_workers(at_broker, ("a\n\x1b[2J:1",))
    assert one.startswith("worker a")
    assert one.isprintable()
    assert " runs Hangtag 0.2.0 and cannot do this job; update it, or start another " in one
    assert one.endswith(" hangtag worker")
    many = workers.older_workers(at_broker, tuple(f"host-{n}:7" for n in range(5)))
    assert many.startswith("workers host-0:7, host-1:7, host-2:7 and 2 more run Hangtag 0.2.0 ")
    assert "hangtag down" in workers.older_workers(Settings(), ("a:1",))
