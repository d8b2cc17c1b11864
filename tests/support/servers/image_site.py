"""A web server with images on loopback, over HTTP, or over HTTPS with a certificate of its own."""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import trustme

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class ImageSite:
    """Serves `files`, by their paths without the first slash. All fields may be changed."""

    def __init__(self, authority: trustme.CA | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.secret = ""  #: the query that every address needs, if any
        self.expired = ""  #: the query that held before
        self.authorization = ""  #: the header that every request needs, if any
        self.has_tags = True
        self.is_chunked = False
        self.requests: list[str] = []  #: request lines without the version
        self.hosts: list[str] = []  #: the header of each
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                pass  # a client that has gone, or does not trust it

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        if authority is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert("localhost", "127.0.0.1", "pictures.example").configure_cert(
                context
            )
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'https' if authority else 'http'}://localhost:{self.port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{request.command} {request.path}")
        self.hosts.append(request.headers["Host"])
        parts = urlsplit(request.path)
        path = unquote(parts.path.lstrip("/"))
        if path in self.redirects:
            _send(request, 302, {"Location": self.redirects[path]}, b"")
        elif self.expired and parts.query == self.expired:
            _send(request, 403, {}, b"<Error><Message>Request has expired</Message></Error>")
        elif parts.query != self.secret or (
            self.authorization and request.headers["Authorization"] != self.authorization
        ):
            _send(request, 403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        elif path not in self.files:
            _send(request, 404, {}, b"")
        else:
            self._send_file(request, self.files[path])

    def _send_file(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        headers = {}
        if self.has_tags:
            headers["ETag"] = f'"{hashlib.md5(content).hexdigest()}"'
        part = _RANGE.fullmatch(request.headers.get("Range", ""))
        if part and content:
            headers["Content-Range"] = f"bytes {part[1]}-{part[2]}/{len(content)}"
            _send(request, 206, headers, content[int(part[1]) : int(part[2]) + 1])
        elif part:
            _send(request, 416, {**headers, "Content-Range": "bytes */0"}, b"")
        else:
            _send(request, 200, headers, content, self.is_chunked)

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    body: bytes,
    is_chunked: bool = False,
) -> None:
    request.send_response_only(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if is_chunked:
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for start in range(0, len(body), 1 << 16):
            piece = body[start : start + (1 << 16)]
            request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        request.wfile.write(b"0\r\n\r\n")
        return
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def image_site(authority: trustme.CA | None = None) -> Iterator[ImageSite]:
    """A server for a block; over HTTPS with an authority."""
    site = ImageSite(authority)
    thread = threading.Thread(target=site.serve, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.close()
        thread.join()


def authority_file(folder: Path) -> tuple[trustme.CA, Path]:
    """A new authority, and the file for SSL_CERT_FILE with which a client trusts it."""
    authority, path = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path
