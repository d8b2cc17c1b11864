"""`python -m benchmarks.environment.delay_proxy SOCKET MS`: a TCP proxy for a server's unix socket.

It adds MS milliseconds to each round trip, half of them each way. Prints the port.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import StreamReader, StreamWriter

_CHUNK = 1 << 16


async def _forward(source: StreamReader, target: StreamWriter, delay_s: float) -> None:
    """Forward every chunk after `delay_s`; chunks do not wait for each other."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, chunk = await waiting.get()
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if not chunk:
                break
            target.write(chunk)
            await target.drain()
        target.close()

    sender = loop.create_task(deliver())
    while chunk := await source.read(_CHUNK):
        waiting.put_nowait((loop.time() + delay_s, chunk))
    waiting.put_nowait((loop.time(), b""))
    await sender


async def _serve(path: str, delay_s: float) -> None:
    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        both = _forward(reader, server_writer, delay_s), _forward(server_reader, writer, delay_s)
        await asyncio.gather(*both, return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    path, delay_ms = sys.argv[1:]
    asyncio.run(_serve(path, float(delay_ms) / 2000))


if __name__ == "__main__":
    main()
