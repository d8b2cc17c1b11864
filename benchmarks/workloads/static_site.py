"""`python -m benchmarks.workloads.static_site FOLDER`: serves the files of a folder over HTTP, from
memory, at a free port of this machine, which it prints. It takes little of a processor."""

from __future__ import annotations

import asyncio
import sys
import zlib
from pathlib import Path
from urllib.parse import unquote_to_bytes

_END = b"\r\n\r\n"


def responses(folder: Path) -> dict[bytes, bytes]:
    """Every response, by the path of its request."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n"
            head += f'ETag: "{zlib.crc32(content)}"'
            found[b"/" + bytes(path.relative_to(folder))] = head.encode() + _END + content
    return found


class Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, found: dict[bytes, bytes]) -> None:
        self._found, self._received = found, b""
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        assert isinstance(self._transport, asyncio.Transport)
        while _END in self._received:
            head, self._received = self._received.split(_END, 1)
            path = unquote_to_bytes(head.split(b" ", 2)[1])
            missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0" + _END
            self._transport.write(self._found.get(path, missing))


async def serve(folder: Path) -> None:
    found = responses(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(found), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
