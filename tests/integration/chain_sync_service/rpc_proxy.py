"""A real HTTP server between the service and the node, that fails as nodes fail."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class HttpAnswer:
    """What the service gets."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """Spoils the answers to requests of one method.

    `spoil` takes the request's JSON and the node's answer, and returns what the service gets instead. The first
    `spared_count` requests are answered well.
    """

    method: str
    spoil: Callable[[Any, HttpAnswer], HttpAnswer]
    spared_count: int = 0


def answer_with(status: int, headers: Mapping[str, str] | None = None) -> Callable[[Any, HttpAnswer], HttpAnswer]:
    """An answer that is no JSON-RPC answer at all."""
    return lambda _request, _answer: HttpAnswer(status, b"no answer", headers or {})


def cut_in_half(_request: Any, answer: HttpAnswer) -> HttpAnswer:
    """The answer breaks off in its midst."""
    return HttpAnswer(answer.status, answer.body[: len(answer.body) // 2])


def change_results(
    method: str, change: Callable[[dict[str, Any], Any], Any]
) -> Callable[[Any, HttpAnswer], HttpAnswer]:
    """Well-formed answers with other results: `change` takes a call of the method, and the node's result."""

    def spoil(request: Any, answer: HttpAnswer) -> HttpAnswer:
        calls = {call["id"]: call for call in _as_list(request)}
        told = json.loads(answer.body)
        for each in _as_list(told):
            if calls[each["id"]]["method"] == method and "result" in each:
                each["result"] = change(calls[each["id"]], each["result"])
        return HttpAnswer(answer.status, json.dumps(told).encode())

    return spoil


def _as_list(single_or_batch: Any) -> list[dict[str, Any]]:
    return single_or_batch if isinstance(single_or_batch, list) else [single_or_batch]


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
        self.spoilt_count = 0
        self._logs_end: tuple[str, int] | None = None
        self._fault: Fault | None = None
        self._spared_count = 0
        self._fault_lock = threading.Lock()
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
        self._logs_end = None
        self.set_fault(None)
        self.refused_windows = []
        self.served_windows = []

    def set_fault(self, fault: Fault | None) -> None:
        """From now on this fault alone, or none; `spoilt_count` is 0 again."""
        with self._fault_lock:
            self._fault = fault
            self._spared_count = fault.spared_count if fault else 0
            self.spoilt_count = 0

    def end_logs_of(self, token: str, block: int) -> None:
        """The node does not tell a token's logs behind this block, until it is told another one, or `reset`."""
        self._logs_end = (token.lower(), block)

    def served_to(self, token: str) -> list[int]:
        """Sizes of the windows that were served for a token, alone or with others."""
        return [size for addresses, size in self.served_windows if token.lower() in addresses]

    def _answer(self, body: bytes) -> HttpAnswer:
        if self.is_away:
            return HttpAnswer(503, b"away")
        request = json.loads(body)
        calls = _as_list(request)
        for call in calls:
            refusal = self._refusal(call)
            if refusal is not None:
                answer = {"jsonrpc": "2.0", "id": call["id"], **refusal}
                return HttpAnswer(200, json.dumps([answer] if isinstance(request, list) else answer).encode())
        fault = self._fault_for({call["method"] for call in calls})
        answer_of_node = self._forward(body)
        return fault.spoil(request, answer_of_node) if fault else answer_of_node

    def _fault_for(self, methods: set[str]) -> Fault | None:
        """The fault that spoils this request's answer; counts it."""
        with self._fault_lock:
            if self._fault is None or self._fault.method not in methods:
                return None
            if self._spared_count > 0:
                self._spared_count -= 1
                return None
            self.spoilt_count += 1
            return self._fault

    def _refusal(self, call: dict[str, Any]) -> dict[str, Any] | None:
        if call["method"] == "eth_getLogs":
            asked = call["params"][0]
            addresses = [asked["address"]] if isinstance(asked["address"], str) else asked["address"]
            last_block = int(asked["toBlock"], 16)
            size = last_block - int(asked["fromBlock"], 16) + 1
            if size > self.most_blocks:
                self.refused_windows.append((addresses, size))
                return {"error": {"code": -32000, "message": f"exceeds {self.most_blocks} blocks"}}
            token, logs_end = self._logs_end or ("", last_block)
            if last_block > logs_end and token in map(str.lower, addresses):
                return {"error": {"code": -32603, "message": "internal error"}}
            self.served_windows.append((addresses, size))
        if call["method"] == "eth_call" and self.refuses_calls:
            return {"error": {"code": -32005, "message": "limit exceeded"}}
        if call["method"] == "eth_chainId" and self.told_chain_id is not None:
            return {"result": hex(self.told_chain_id)}
        return None

    def _forward(self, body: bytes) -> HttpAnswer:
        parts = urlsplit(self.target)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return HttpAnswer(response.status, response.read())
        except OSError:
            return HttpAnswer(502, b"no node")
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it small answers wait for a delayed acknowledgement.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                answer = proxy._answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Quiet."""

        return Handler
