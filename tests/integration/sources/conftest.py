"""Servers that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.servers.fault_proxy import FaultProxy, fault_proxy
from tests.support.servers.image_site import ImageSite, image_site
from tests.support.servers.s3_server import Bucket, S3Server, s3_server

_NUMBERS = count(1)
#: So that a few objects have several pages.
PAGE_KEYS = 20


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server(PAGE_KEYS) as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """A new bucket of the shared server."""
    return s3.bucket(f"pictures-{next(_NUMBERS)}")


@pytest.fixture
def s3_proxy(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy before the shared server, which the environment names."""
    with fault_proxy(s3.port) as proxy:
        for name, value in s3.environ(proxy.url).items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def site() -> Iterator[ImageSite]:
    """A web server without encryption."""
    with image_site() as running:
        yield running
