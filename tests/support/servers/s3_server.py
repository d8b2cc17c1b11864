"""A real S3 server on loopback: that of moto, in a process of its own, at any free port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3

REGION = "us-east-1"
KEY_ID, SECRET = "hangtag-key-id", "hangtag-secret-of-a-bucket"
#: The arguments are a bucket, and a folder whose files are its objects.
_SERVE = """
import logging, pathlib, sys
from moto.server import ThreadedMotoServer
from moto.s3.models import s3_backends
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
for bucket, folder in zip(sys.argv[1::2], map(pathlib.Path, sys.argv[2::2])):
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(bucket, "us-east-1")
    for path in folder.rglob("*"):
        if path.is_file():
            backend.put_object(bucket, str(path.relative_to(folder)), path.read_bytes())
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class S3Server:
    """A server, and what a client needs to reach it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def environ(self, url: str = "") -> dict[str, str]:
        """The environment of a client that reaches it, or a proxy before it."""
        return {
            "AWS_ENDPOINT_URL": url or self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    def bucket(self, name: str) -> Bucket:
        """A new bucket."""
        return Bucket(self, name)


class Bucket:
    """A new bucket, as its owner sees it."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.server, self.name = server, name
        self.url = f"s3://{name}"
        self._client = boto3.client(
            "s3",
            endpoint_url=server.url,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name=REGION,
        )
        self._client.create_bucket(Bucket=name)

    def put(self, objects: Mapping[str, bytes]) -> Bucket:
        for key, content in objects.items():
            self._client.put_object(Bucket=self.name, Key=key, Body=content)
        return self

    def put_public(self, key: str, content: bytes) -> None:
        """Store an object that everyone may read."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content, ACL="public-read")

    def delete(self, *keys: str) -> None:
        for key in keys:
            self._client.delete_object(Bucket=self.name, Key=key)

    def signed(self, key: str) -> str:
        """A signed address of an object."""
        wanted = {"Bucket": self.name, "Key": key}
        return str(self._client.generate_presigned_url("get_object", wanted, ExpiresIn=3600))


@contextmanager
def s3_server(page_keys: int = 1000, buckets: Mapping[str, Path] = {}) -> Iterator[S3Server]:
    """A server that ends with the block, and with this process. `buckets` have the files of
    folders."""
    given = [str(word) for bucket in buckets.items() for word in bucket]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(page_keys)},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield S3Server(int(process.stdout.readline()))
        finally:
            process.kill()
