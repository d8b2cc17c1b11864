"""No secret of an address is in a table, a journal, Redis or a message."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.sources.remote import web_source
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.processes.in_process import Done, run
from tests.support.servers.fault_proxy import FaultProxy
from tests.support.servers.image_site import ImageSite
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.s3_server import Bucket

#: What separates the parts of a password, and of an address.
MARKS = "/?#@:%&=+;!$~."
#: SITE and BUCKET have the image p.png.
FORMS = (
    "http://bob:{}@SITE/p.png", "http://{}@SITE/p.png", "http://{}:pw@SITE/p.png",
    "http://bob:8443/{}@SITE/p.png", "http://bob:{}/@SITE/p.png", "http://SITE/p.png?{}",
    "http://SITE/p.png?a=1&b={}#c", "HTTP://bob:{}@", "s3://KEY:{}@BUCKET/p.png",
    "s3://{}@BUCKET/p.png", "S3://BUCKET/p.png?{}", "s3://BUCKET/p.png?key={}&b",
)  # fmt: skip
PARTS, PART_CHARS = 3, 8
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 10))]


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 1)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), 1)


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    settings = {**SHORT_TIMES, "HANGTAG_LOCAL_ADDRESSES": "1", "HANGTAG_LOG_JSON": "1"}
    with RedisServer(server_binary) as server, Fleet(server, **settings) as running:
        running.worker()
        yield running


class Secrets:
    """Draws secrets with any characters among the parts of which none may be found."""

    def __init__(self, seed: int, site: ImageSite, bucket: Bucket) -> None:
        self._drawn, self.parts = random.Random(seed), list[str]()
        self._places = ("SITE", site.url.partition("//")[2]), ("BUCKET", bucket.name)

    def address(self, form: str) -> str:
        for word, place in self._places:
            form = form.replace(word, place)
        return form.format("".join(self._part() for _ in range(PARTS)))

    def _part(self) -> str:
        part = "".join(self._drawn.choices(string.ascii_lowercase + string.digits, k=PART_CHARS))
        self.parts.append(part)
        return self._drawn.choice(MARKS) + part + self._drawn.choice(MARKS)

    def check(self, *data: bytes) -> None:
        everything = b"\n".join(data)
        assert [part for part in self.parts if part.encode() in everything] == []


def left_by(fleet: Fleet, folder: Path, done: Done) -> list[bytes]:
    """All that a command has printed, written, and stored in Redis."""
    fleet.client.config_set("rdbcompression", "no")
    found = [(done.out + done.log).encode()]
    found += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return found + [key + (fleet.client.dump(key) or b"") for key in fleet.client.scan_iter()]


@pytest.fixture
def secrets(
    images: Gallery, site: ImageSite, bucket: Bucket, s3_proxy: FaultProxy, seed: int
) -> Secrets:
    content = (images.cwd / images.paths[0]).read_bytes()
    site.files = {"p.png": content}
    bucket.put({"p.png": content, "p@2x.png": content})
    return Secrets(seed, site, bucket)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_no_secret_of_a_list_is_in_a_table_a_journal_redis_or_a_message(
    fleet: Fleet, site: ImageSite, bucket: Bucket, secrets: Secrets, tmp_path: Path, way: str
) -> None:
    lists = tmp_path.parent / f"{tmp_path.name}-list.txt"
    lines = [f"{site.url}/p.png", f"{bucket.url}/p@2x.png"]
    lines += (secrets.address(form) for form in FORMS * 4)
    lists.write_text("\n".join(lines))
    arguments = ("classify", "--list", "-" if way == "pipe" else str(lists), "-o", "out.csv")
    done = run(fleet, *arguments, cwd=tmp_path, stdin=lists.read_text())
    assert (tmp_path / "out.csv").exists(), done.story
    rows = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert len(rows) == len(lines), done.story
    assert rows[0].startswith(f"{site.url}/p.png,")
    assert rows[1].startswith("s3://#2,")
    assert [",ok," in row for row in rows[:2]] == [True, True]
    secrets.check(*left_by(fleet, tmp_path, done))
    print("\n".join(rows))
    proof = run(fleet, "verify", "out.csv", cwd=tmp_path)
    secrets.check(*left_by(fleet, tmp_path, proof))


@pytest.mark.parametrize(("seed", "form"), list(enumerate(FORMS)))
def test_no_secret_is_in_the_line_on_an_address_that_nothing_answers(
    fleet: Fleet, secrets: Secrets, tmp_path: Path, form: str
) -> None:
    address = secrets.address(form.replace("SITE", "localhost:1"))
    lists = tmp_path.parent / f"{tmp_path.name}-list.txt"
    lists.write_text(address)
    done = run(fleet, "classify", "--list", str(lists), "-o", "out.csv", cwd=tmp_path)
    secrets.check(*left_by(fleet, tmp_path, done))
    for command in ("classify", "predict"):
        done = run(fleet, command, address, cwd=tmp_path)
        assert done.code != 0, done.story
        secrets.check(*left_by(fleet, tmp_path, done))
