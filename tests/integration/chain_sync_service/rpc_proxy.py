"""A real HTTP server between the service and the node, that fails as nodes fail."""

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed reset their connections; everything else fails the test by itself."""


class RpcProxy:
    """Forwards to `target`. The knobs may be turned at any time."""

    def __init__(self) -> None:
        self.target = ""
        self.most_blocks = 10**9
        self.is_away = False
        self.refuses_calls = False
        self.told_chain_id: int | None = None
        self.refused_windows: list[tuple[list[str], int]] = []
        self.served_windows: list[tuple[list[str], int]] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serves until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def reset(self) -> None:
        """A good node again."""
        self.most_blocks = 10**9
        self.is_away = False
        self.refuses_calls = False
        self.told_chain_id = None
        self.refused_windows = []
        self.served_windows = []

    def served_to(self, token: str) -> list[int]:
        """Sizes of the windows that were served for a token, alone or with others."""
        return [size for addresses, size in self.served_windows if token.lower() in addresses]

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        if self.is_away:
            return 503, b"away"
        request = json.loads(body)
        calls = request if isinstance(request, list) else [request]
        for call in calls:
            refusal = self._refusal(call)
            if refusal is not None:
                answer = {"jsonrpc": "2.0", "id": call["id"], **refusal}
                return 200, json.dumps([answer] if isinstance(request, list) else answer).encode()
        return self._forward(body)

    def _refusal(self, call: dict[str, Any]) -> dict[str, Any] | None:
        if call["method"] == "eth_getLogs":
            asked = call["params"][0]
            addresses = [asked["address"]] if isinstance(asked["address"], str) else asked["address"]
            size = int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1
            if size > self.most_blocks:
                self.refused_windows.append((addresses, size))
                return {"error": {"code": -32000, "message": f"exceeds {self.most_blocks} blocks"}}
            self.served_windows.append((addresses, size))
        if call["method"] == "eth_call" and self.refuses_calls:
            return {"error": {"code": -32005, "message": "limit exceeded"}}
        if call["method"] == "eth_chainId" and self.told_chain_id is not None:
            return {"result": hex(self.told_chain_id)}
        return None

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.target)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 502, b"no node"
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it small answers wait for a delayed acknowledgement.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                status, answer = proxy._answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Quiet."""

        return Handler
