"""A real HTTP proxy in front of an EVM node that can fail in the ways that nodes, relays and networks fail.

It runs in threads of its own, so that it goes on while a test's event loop is busy. Every knob may be turned at
any time, from any thread.
"""

import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import rlp  # type: ignore[import-untyped]
from eth_account import Account

SEND = "eth_sendRawTransaction"
_NODE_TIMEOUT_SECONDS = 30.0
_JOIN_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A call that reached the proxy, and when (`time.monotonic`)."""

    method: str
    seconds: float


@dataclass(slots=True)
class _Fault:
    """A fault for these methods (none: all), this many times (None: always)."""

    methods: frozenset[str]
    times: int | None

    def strikes(self, methods: Sequence[str]) -> bool:
        if self.times == 0 or (self.methods and self.methods.isdisjoint(methods)):
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class _Faults:
    swallowed: _Fault | None = None
    too_many: _Fault | None = None
    delayed: _Fault | None = None
    retry_after_seconds: int | None = None
    delay_seconds: float = 0.0
    # Set by `heal`: what is being delayed goes on.
    is_healed: threading.Event = field(default_factory=threading.Event)
    is_away: bool = False
    refuses_connections: bool = False
    refuses_nonce_gaps: bool = False
    refuses_first_nonce: bool = False
    first_nonce: int | None = None
    # What was swallowed, by method.
    swallowed_calls: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores connections that killed clients reset. Everything else fails the test by itself."""


class RpcProxy:
    """Forwards to `target`. It behaves well until a test makes it fail; `heal` repairs it."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._lock = threading.Lock()
        # A relay has no pool: it looks at the account's nonce and executes, one transaction after the other.
        self._sending = threading.Lock()
        self._faults = _Faults()
        self._requests: list[SeenRequest] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """The URL at which it listens, which never changes."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serves until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stops serving, and everything that it is delaying."""
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=_JOIN_TIMEOUT_SECONDS)

    # ------------------------------------------------------------------------------ knobs

    def heal(self) -> None:
        """Makes it behave well again, also for what is being delayed. What was counted stays."""
        with self._lock:
            self._faults.is_healed.set()
            self._faults = _Faults(swallowed_calls=self._faults.swallowed_calls)

    def swallow_replies(self, *methods: str, times: int | None = None) -> None:
        """Lets the node act on requests, but closes the connections without an answer."""
        with self._lock:
            self._faults.swallowed = _Fault(frozenset(methods), times)

    def refuse_nonce_gaps(self) -> None:
        """Refuses a transaction whose nonce is above the account's pending nonce, as a Hedera relay does."""
        with self._lock:
            self._faults.refuses_nonce_gaps = True

    def refuse_first_nonce(self, *, retry_after_seconds: int) -> None:
        """Answers HTTP 429 to the next transaction and all with its nonce, until `accept_first_nonce`."""
        with self._lock:
            self._faults.refuses_first_nonce, self._faults.first_nonce = True, None
            self._faults.retry_after_seconds = retry_after_seconds

    def accept_first_nonce(self) -> None:
        """Ends `refuse_first_nonce`."""
        with self._lock:
            self._faults.refuses_first_nonce = False

    def go_away(self, *, refuse_connections: bool = False) -> None:
        """Answers HTTP 503 to everything, or closes connections without an answer. The node sees nothing."""
        with self._lock:
            self._faults.is_away = not refuse_connections
            self._faults.refuses_connections = refuse_connections

    def come_back(self) -> None:
        """Ends `go_away`."""
        with self._lock:
            self._faults.is_away = self._faults.refuses_connections = False

    def answer_too_many_requests(
        self, *methods: str, times: int | None = None, retry_after_seconds: int | None = None
    ) -> None:
        """Answers HTTP 429, with Retry-After if it is given. The node does not see the request."""
        with self._lock:
            self._faults.too_many = _Fault(frozenset(methods), times)
            self._faults.retry_after_seconds = retry_after_seconds

    def delay(self, seconds: float, *methods: str, times: int | None = None) -> None:
        """Delays requests before they go to the node."""
        with self._lock:
            self._faults.delayed = _Fault(frozenset(methods), times)
            self._faults.delay_seconds = seconds

    # ------------------------------------------------------------------------------ what was seen

    def requests(self, method: str = "") -> list[SeenRequest]:
        """Returns the calls that arrived, in order, also those inside batches; of one method if it is named."""
        with self._lock:
            return [each for each in self._requests if method in ("", each.method)]

    def count(self, method: str = "") -> int:
        """Returns how many calls arrived; of one method if it is named."""
        return len(self.requests(method))

    def swallowed(self, method: str = "") -> int:
        """Returns how many calls were forwarded and not answered; of one method if it is named."""
        with self._lock:
            return sum(method in ("", each) for each in self._faults.swallowed_calls)

    # ------------------------------------------------------------------------------ internals

    def _answer(self, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        """Returns status, headers and body. None means: close the connection without an answer."""
        request = json.loads(body)
        calls = request if isinstance(request, list) else [request]
        methods = [call["method"] for call in calls]
        now = time.monotonic()
        with self._lock:
            faults = self._faults
            self._requests.extend(SeenRequest(method, now) for method in methods)
            if faults.refuses_connections:
                return None
            if faults.is_away:
                return 503, {}, b"away"
            is_refused = faults.refuses_first_nonce and self._is_first_nonce(calls)
            if is_refused or (faults.too_many is not None and faults.too_many.strikes(methods)):
                after = faults.retry_after_seconds
                return 429, {} if after is None else {"Retry-After": str(after)}, b"too many requests"
            is_delayed = faults.delayed is not None and faults.delayed.strikes(methods)
            is_swallowed = faults.swallowed is not None and faults.swallowed.strikes(methods)
            refuses_gaps = faults.refuses_nonce_gaps
        if is_delayed:
            faults.is_healed.wait(timeout=faults.delay_seconds)
        if refuses_gaps and SEND in methods:
            with self._sending:
                status, answer = self._refuse_gap(calls) or self._forward(body)
        else:
            status, answer = self._forward(body)
        if is_swallowed:
            with self._lock:
                self._faults.swallowed_calls.extend(methods)
            return None
        return status, {}, answer

    def _is_first_nonce(self, calls: Sequence[dict[str, Any]]) -> bool:
        """Returns whether one of the transactions has the nonce sent first. Called with the lock held."""
        nonces = [_nonce_of(bytes.fromhex(call["params"][0][2:])) for call in calls if call["method"] == SEND]
        if self._faults.first_nonce is None and nonces:
            self._faults.first_nonce = nonces[0]
        return self._faults.first_nonce in nonces

    def _refuse_gap(self, calls: Sequence[dict[str, Any]]) -> tuple[int, bytes] | None:
        """Returns a relay's answer to a transaction that cannot be executed yet; None when there is no gap."""
        for call in calls:
            if call["method"] == SEND:
                raw = bytes.fromhex(call["params"][0][2:])
                provided, current = _nonce_of(raw), self._nonce_at_node(Account.recover_transaction(raw))
                if provided > current:
                    message = f"Nonce too high. Provided nonce: {provided}, current nonce: {current}"
                    error = {"code": 32002, "message": message}
                    refusals = [{"jsonrpc": "2.0", "id": each["id"], "error": error} for each in calls]
                    return 400, json.dumps(refusals if len(calls) > 1 else refusals[0]).encode()
        return None

    def _nonce_at_node(self, account: str) -> int:
        question = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "eth_getTransactionCount",
            "params": [account, "pending"],
        }
        _, answer = self._forward(json.dumps(question).encode())
        return int(json.loads(answer)["result"], 16)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.target)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=_NODE_TIMEOUT_SECONDS)
        try:
            connection.request("POST", parts.path or "/", body, {"Content-Type": "application/json"})
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
                answered = proxy._answer(self.rfile.read(int(self.headers["Content-Length"])))
                if answered is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, headers, answer = answered
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Quiet."""

        return Handler


def _nonce_of(raw: bytes) -> int:
    """Returns the nonce of a signed transaction.

    Typed ones (EIP-2718) begin with a small byte, then the chain id.
    """
    fields = rlp.decode(raw[1:] if raw[0] < 0x80 else raw)
    return int.from_bytes(fields[1] if raw[0] < 0x80 else fields[0], "big")
