"""The REST API of the stand-in, which can fail in the ways that mirror nodes and networks fail.

It serves what chain_sync_service asks for, in the forms of the published OpenAPI. It runs in threads of its own;
every knob may be turned at any time, from any thread.
"""

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.mirror_node.ledger import (
    EXTRA_LOGS_START,
    CallRefusedError,
    ExtraLog,
    Ledger,
    nanoseconds_of,
    place,
    timestamp_text,
)

MOST_ROWS = 100
DEFAULT_ROWS = 25
_SEVEN_DAYS_NANOSECONDS = 7 * 24 * 60 * 60 * 10**9
_NEWEST_NANOSECONDS = 10**19
_JOIN_TIMEOUT_SECONDS = 10.0

Parameters = list[tuple[str, str]]


class PageFault(Enum):
    """The faults that pages of logs can have."""

    # Each page begins with the last rows of the page before, which the API never promised not to do.
    REPEATED_EDGE = auto()
    SAME_PAGE = auto()
    SAME_PAGE_NEW_LINK = auto()
    SAME_PAGE_AT_THE_END = auto()
    OUT_OF_ORDER = auto()
    NO_LINK = auto()
    HALF_PAGE_BROKEN_LINK = auto()
    ROW_OF_BEFORE = auto()
    ROW_OF_ANOTHER_BLOCK = auto()
    ROW_OF_ANOTHER_CONTRACT = auto()
    TWINS_THAT_DIFFER = auto()
    TWINS_OF_TWO_TIMES = auto()
    MALFORMED_ROW = auto()
    ROW_WITHOUT_BLOCK = auto()
    ROWS_MISSING = auto()


@dataclass(slots=True)
class _Failure:
    """A number of failing answers to requests whose path contains `path`.

    Status 0 means an answer that breaks off.
    """

    status: int
    times: int
    path: str
    retry_after_seconds: int | None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: dict[str, Any]


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.answer = _Answer(status, error_body(message, data))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores connections that ending clients reset. Everything else fails the test by itself."""


class MirrorStandIn:
    """Serves the chain of an EVM node. It is a good mirror node until a test makes it fail; `heal` repairs it."""

    def __init__(self, node_url: str) -> None:
        self.ledger = Ledger(node_url)
        self.page_fault: PageFault | None = None
        # A server that gives fewer rows than are asked for.
        self.most_rows = MOST_ROWS
        self._failures: list[_Failure] = []
        self._requests: list[str] = []
        self._lock = threading.Lock()
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
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=_JOIN_TIMEOUT_SECONDS)

    # ------------------------------------------------------------------------------ knobs

    def heal(self) -> None:
        """Makes it a good mirror node again: up to date, without extra logs. Forgets the requests seen."""
        with self._lock:
            self.page_fault = None
            self.most_rows = MOST_ROWS
            self._failures = []
            self._requests = []
        self.ledger.lag = 0
        self.ledger.extra_logs = []
        self.ledger.tokens = {}

    def lag_behind(self, blocks: int) -> None:
        """Hides the newest blocks and their content."""
        self.ledger.lag = blocks

    def fail(self, status: int, *, times: int, path: str = "", retry_after_seconds: int | None = None) -> None:
        """Answers this many requests with an HTTP status."""
        with self._lock:
            self._failures.append(_Failure(status, times, path, retry_after_seconds))

    def break_off(self, *, times: int, path: str = "") -> None:
        """Answers this many requests with the first half of the JSON."""
        self.fail(0, times=times, path=path)

    def add_log(
        self,
        contract: str,
        block_number: int,
        topics: Sequence[str],
        data: str,
        transaction_hash: str,
        *,
        hidden_for: int | None = 0,
        is_native: bool = False,
    ) -> None:
        """Adds a log behind the block's own ones (see ExtraLog).

        It is hidden from the first `hidden_for` requests.
        """
        ledger = self.ledger
        block = ledger.blocks(block_number, block_number)[0]
        nanoseconds = nanoseconds_of(block["timestamp"]["from"]) + EXTRA_LOGS_START + len(ledger.extra_logs)
        row = {
            "address": contract.lower(),
            "bloom": "0x",
            "contract_id": ledger.id_of(contract.lower()),
            "data": data,
            "index": 0,
            "topics": list(topics),
            "block_hash": block["hash"],
            "block_number": block_number,
            "root_contract_id": None,
            "timestamp": timestamp_text(nanoseconds),
            "transaction_hash": transaction_hash,
            "transaction_index": None,
        }
        ledger.extra_logs.append(ExtraLog(row, hidden_for, is_native))

    def add_native_token(self, number: int, symbol: str, decimals: int) -> str:
        """Adds a native token. Returns its long-zero address."""
        self.ledger.tokens[number] = {"token_id": f"0.0.{number}", "symbol": symbol, "decimals": str(decimals)}
        return f"0x{number:040x}"

    def requests(self, path: str = "") -> list[str]:
        """Returns path and parameters of the requests that arrived and whose path contains `path`."""
        with self._lock:
            return [each for each in self._requests if path in each]

    # ------------------------------------------------------------------------------ answers

    def _respond(self, url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body of an answer."""
        parts = urlsplit(url)
        with self._lock:
            self._requests.append(url)
            failure = self._failure_for(parts.path)
        if failure is not None and failure.status:
            after = failure.retry_after_seconds
            headers = {} if after is None else {"Retry-After": str(after)}
            return failure.status, headers, json.dumps(error_body("fault of the stand-in")).encode()
        try:
            answer = self._answer(parts.path, parse_qsl(parts.query), body)
        except _RefusedError as error:
            answer = error.answer
        text = json.dumps(answer.body).encode()
        return answer.status, {}, text[: len(text) // 2] if failure is not None else text

    def _failure_for(self, path: str) -> _Failure | None:
        for failure in self._failures:
            if failure.times > 0 and failure.path in path:
                failure.times -= 1
                return failure
        return None

    def _answer(self, path: str, parameters: Parameters, body: bytes) -> _Answer:
        inner = path.removeprefix("/api/v1/")
        if inner == "contracts/call":
            return self._call(json.loads(body))
        if inner == "blocks":
            return self._blocks(path, parameters)
        if inner == "contracts/results/logs":
            found = self.ledger.logs_of_transaction(dict(parameters)["transaction.hash"])
            return _Answer(200, {"logs": found, "links": {"next": None}})
        if match := re.fullmatch(r"blocks/([0-9]+)", inner):
            return _found(self.ledger.block(int(match[1])))
        if match := re.fullmatch(r"contracts/results/(0x[0-9a-f]{64})", inner):
            has_result = self.ledger.has_contract_result(match[1])
            return _found({"hash": match[1], "result": "SUCCESS"} if has_result else None)
        if match := re.fullmatch(r"contracts/([^/]+)/results/logs", inner):
            return self._logs(path, match[1], parameters)
        if match := re.fullmatch(r"(contracts|accounts|tokens)/([^/]+)", inner):
            return self._entity(match[1], match[2])
        raise _RefusedError(404, "Not found")

    def _blocks(self, path: str, parameters: Parameters) -> _Answer:
        first, last = 0, self.ledger.head()
        for name, value in parameters:
            operator, _, number = value.partition(":")
            if name == "block.number":
                first = max(first, int(number) + (operator == "gt")) if operator.startswith("g") else first
                last = min(last, int(number) - (operator == "lt")) if operator.startswith("l") else last
        limit, is_ascending = self._limit(parameters), ("order", "asc") in parameters
        if is_ascending:
            rows = self.ledger.blocks(first, min(last, first + limit - 1))
        else:
            rows = self.ledger.blocks(max(first, last - limit + 1), last)[::-1]
        link = None
        if len(rows) == limit:
            bound = f"{'gt' if is_ascending else 'lt'}:{rows[-1]['number']}"
            kept = [(name, value) for name, value in parameters if value[:2] != bound[:2]]
            link = _link(path, [*kept, ("block.number", bound)])
        return _Answer(200, {"blocks": rows, "links": {"next": link}})

    def _limit(self, parameters: Parameters) -> int:
        return min(int(dict(parameters).get("limit", DEFAULT_ROWS)), self.most_rows)

    def _call(self, question: dict[str, Any]) -> _Answer:
        if int(question["block"], 16) > self.ledger.head():
            raise _RefusedError(400, "Unknown block number")
        try:
            result = self.ledger.call(question["to"], question["data"], question["block"])
        except CallRefusedError as error:
            raise _RefusedError(400, "CONTRACT_REVERT_EXECUTED", error.data) from error
        return _Answer(200, {"result": result})

    def _entity(self, kind: str, told: str) -> _Answer:
        if kind == "tokens":
            return _found(self.ledger.tokens.get(int(told.rpartition(".")[2])))
        address = self.ledger.address_of(told)
        if kind == "accounts" or address is None or not self.ledger.has_code(address):
            raise _RefusedError(404, "Not found")
        entity = {"contract_id": self.ledger.id_of(address), "evm_address": address, "deleted": False}
        return _Answer(200, entity)

    # ------------------------------------------------------------------------------ pages of logs

    def _logs(self, path: str, contract: str, parameters: Parameters) -> _Answer:
        rows = self._asked_for(contract, parameters)
        limit = self._limit(parameters)
        after = next((int(value[3:]) for name, value in parameters if name == "index"), None)
        lower = next(value[4:] for name, value in parameters if name == "timestamp" and value.startswith("gte:"))
        edge = (nanoseconds_of(lower), after) if after is not None else None
        fault = self.page_fault
        beginning = [row for row in rows if edge is None or place(row) > edge]
        if edge is not None and fault is PageFault.REPEATED_EDGE:
            beginning = [row for row in rows if place(row) <= edge][-3:] + beginning
        if edge is not None and fault in _SAME_PAGE_FAULTS:
            beginning = rows
        page = beginning[:limit]
        link = self._next_link(path, parameters, page) if len(page) == limit else None
        return _Answer(200, self._spoiled(page, link, is_first=edge is None))

    def _asked_for(self, contract: str, parameters: Parameters) -> list[dict[str, Any]]:
        bounds = dict(value.split(":") for name, value in parameters if name == "timestamp")
        from_nanoseconds, to_nanoseconds = nanoseconds_of(bounds["gte"]), nanoseconds_of(bounds["lte"])
        topics: dict[str, list[str]] = {name: [] for name, _ in parameters if name.startswith("topic")}
        for name, value in parameters:
            if name in topics:
                topics[name].append(value)
        if topics and to_nanoseconds - from_nanoseconds >= _SEVEN_DAYS_NANOSECONDS:
            raise _RefusedError(400, "Cannot search topics without a valid timestamp range")
        address = self.ledger.address_of(contract)
        rows = self.ledger.logs([address], from_nanoseconds, to_nanoseconds) if address is not None else []
        return [row for row in rows if all(_has_topic(row, name, values) for name, values in topics.items())]

    def _next_link(self, path: str, parameters: Parameters, page: Sequence[dict[str, Any]]) -> str:
        kept = [each for each in parameters if each[0] != "index" and not each[1].startswith("gte:")]
        last = page[-1]
        return _link(path, [*kept, ("timestamp", f"gte:{last['timestamp']}"), ("index", f"gt:{last['index']}")])

    def _spoiled(self, page: list[dict[str, Any]], link: str | None, *, is_first: bool) -> dict[str, Any]:
        """Returns the page with the fault in it."""
        fault = self.page_fault
        if fault is PageFault.ROWS_MISSING:
            return {"links": {"next": link}}
        if fault is PageFault.SAME_PAGE_NEW_LINK and link is not None:
            link += f"&again={len(self._requests)}"
        if fault is PageFault.SAME_PAGE_AT_THE_END and not is_first:
            page, link = page[: DEFAULT_ROWS // 2], None
        if fault is PageFault.NO_LINK:
            link = None
        if fault is PageFault.HALF_PAGE_BROKEN_LINK:
            page, link = page[: len(page) // 2], "//elsewhere.invalid/next"
        if fault in _ROW_FAULTS and page and (link is None or fault is not PageFault.TWINS_OF_TWO_TIMES):
            page = _ROW_FAULTS[fault](page)
        return {"logs": page, "links": {"next": link}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it small answers wait for a delayed acknowledgement.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._send(b"")

            def do_POST(self) -> None:
                self._send(self.rfile.read(int(self.headers["Content-Length"])))

            def _send(self, body: bytes) -> None:
                status, headers, answer = stand_in._respond(self.path, body)
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


_ROW_FAULTS: dict[PageFault, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    PageFault.OUT_OF_ORDER: lambda page: page[::-1],
    PageFault.ROW_OF_BEFORE: lambda page: [{**page[0], "timestamp": "1.000000001"}, *page[1:]],
    PageFault.ROW_OF_ANOTHER_BLOCK: lambda page: [*page[:-1], {**page[-1], "block_number": 0}],
    PageFault.ROW_OF_ANOTHER_CONTRACT: lambda page: [
        *page[:-1],
        {**page[-1], "address": "0x" + "ab" * 20, "contract_id": "0.0.5"},
    ],
    PageFault.TWINS_THAT_DIFFER: lambda page: [*page, {**page[-1], "data": "0x" + "11" * 32}],
    PageFault.TWINS_OF_TWO_TIMES: lambda page: [
        *page,
        {**page[-1], "timestamp": timestamp_text(nanoseconds_of(page[-1]["timestamp"]) + 1)},
    ],
    PageFault.MALFORMED_ROW: lambda page: [
        *page[:-1],
        {name: value for name, value in page[-1].items() if name != "topics"},
    ],
    PageFault.ROW_WITHOUT_BLOCK: lambda page: [*page[:-1], {**page[-1], "block_number": None, "block_hash": None}],
}
_SAME_PAGE_FAULTS = (PageFault.SAME_PAGE, PageFault.SAME_PAGE_NEW_LINK, PageFault.SAME_PAGE_AT_THE_END)


def error_body(message: str, data: object = None) -> dict[str, Any]:
    """Returns the API's error document."""
    entry = {"message": message} if data is None else {"message": message, "detail": "", "data": data}
    return {"_status": {"messages": [entry]}}


def _found(entity: dict[str, Any] | None) -> _Answer:
    if entity is None:
        raise _RefusedError(404, "Not found")
    return _Answer(200, entity)


def _link(path: str, parameters: Parameters) -> str:
    return f"{path}?{urlencode(parameters, safe=':')}"


def _has_topic(row: dict[str, Any], name: str, values: Sequence[str]) -> bool:
    place_of_topic = int(name.removeprefix("topic"))
    return len(row["topics"]) > place_of_topic and row["topics"][place_of_topic] in values
