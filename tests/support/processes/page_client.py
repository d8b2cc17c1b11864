"""A browser's requests to a local page."""

from __future__ import annotations

import http.client
import json
from typing import Any


class PageClient:
    """Requests to a server on this machine, with the cookie that the link of its page has set."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self.host, self.port, self.token = host, port, token
        status, headers, _ = self.ask("GET", f"/?token={token}", cookie="")
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]

    def ask(
        self, method: str, path: str, body: Any = None, *, cookie: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the reply. Header names are written with `_`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Cookie"] = self.cookie if cookie is None else cookie
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, sent)
            reply = connection.getresponse()
            return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        status, _, content = self.ask(method, path, body)
        assert status == 200, content
        return json.loads(content)
