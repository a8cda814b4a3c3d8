"""Presents an EVM node's chain as a mirror node does: consensus timestamps, log indexes, entity ids.

A block's transactions have its time and, as nanoseconds, their place in the block. Blocks of one second, which an
EVM node may make, are a microsecond apart.
"""

import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

NANOSECONDS_PER_SECOND = 10**9
BLOCK_NANOSECONDS = 1_000
# Where extra logs of a block stand: behind all transactions.
EXTRA_LOGS_START = 800
_FIRST_ENTITY = 1_001
_NODE_TIMEOUT_SECONDS = 20.0
_SHORT_HASH = len("0x") + 64


class CallRefusedError(Exception):
    """The node answered a simulated call with an error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.data = error.get("data")


@dataclass
class ExtraLog:
    """A log that the EVM node does not have.

    Its transaction's contract result is there after `hidden_for` requests for it; never, if that is None: then
    it is a ghost. One of a native transaction (`is_native`) has no contract result, but is found by its hash.
    """

    row: dict[str, Any]
    hidden_for: int | None
    is_native: bool


def timestamp_text(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, NANOSECONDS_PER_SECOND)
    return f"{seconds}.{rest:09d}"


def nanoseconds_of(text: str) -> int:
    seconds, _, rest = text.partition(".")
    return int(seconds) * NANOSECONDS_PER_SECOND + int(rest.ljust(9, "0"))


class Ledger:
    """Reads the node anew for each question, so that a reorg shows at once. `lag` hides the newest blocks."""

    def __init__(self, node_url: str) -> None:
        self.node_url = node_url
        self.lag = 0
        self.extra_logs: list[ExtraLog] = []
        self.tokens: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._request_ids = itertools.count(1)
        self._numbers: dict[str, int] = {}

    # ------------------------------------------------------------------------------ blocks

    def head(self) -> int:
        return max(0, int(self._ask("eth_blockNumber"), 16) - self.lag)

    def block(self, number: int) -> dict[str, Any] | None:
        if not 0 <= number <= self.head():
            return None
        return self._blocks([number])[0]

    def blocks(self, first: int, last: int) -> list[dict[str, Any]]:
        return self._blocks(range(max(0, first), min(last, self.head()) + 1))

    def _blocks(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        headers = self._ask_many("eth_getBlockByNumber", [[hex(number), False] for number in numbers])
        rows: list[dict[str, Any]] = []
        seconds, first_of_second = -1, 0
        for header in headers:
            if int(header["timestamp"], 16) != seconds:
                seconds = int(header["timestamp"], 16)
                first_of_second = self._first_block_at(seconds)
            rows.append(_block_row(header, int(header["number"], 16) - first_of_second))
        return rows

    # ------------------------------------------------------------------------------ logs

    def logs(self, addresses: Sequence[str], from_nanoseconds: int, to_nanoseconds: int) -> list[dict[str, Any]]:
        """Returns the logs between two timestamps (both included), in order."""
        first = self._first_block_at(from_nanoseconds // NANOSECONDS_PER_SECOND)
        last = self._first_block_at(to_nanoseconds // NANOSECONDS_PER_SECOND + 1) - 1
        head = self.head()
        found = self._logs_of_node(first, min(last, head)) if first <= min(last, head) else []
        found += [extra.row for extra in self.extra_logs]
        asked_for = [
            row
            for row in found
            if (not addresses or row["address"] in addresses)
            and from_nanoseconds <= nanoseconds_of(row["timestamp"]) <= to_nanoseconds
            and row["block_number"] <= head
        ]
        return sorted(asked_for, key=place)

    def _logs_of_node(self, first: int, last: int) -> list[dict[str, Any]]:
        logs = self._ask("eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last)})
        times = {row["number"]: nanoseconds_of(row["timestamp"]["from"]) for row in self.blocks(first, last)}
        rows = []
        for _, of_transaction in itertools.groupby(logs, key=lambda log: log["transactionHash"]):
            rows += [
                self._log_row(log, index, times[int(log["blockNumber"], 16)])
                for index, log in enumerate(of_transaction)
            ]
        return rows

    def _log_row(self, log: Mapping[str, Any], index: int, block_nanoseconds: int) -> dict[str, Any]:
        transaction_index = int(log["transactionIndex"], 16)
        return {
            "address": log["address"],
            "bloom": "0x",
            "contract_id": self.id_of(log["address"]),
            "data": log["data"],
            "index": index,
            "topics": log["topics"],
            "block_hash": long_hash(log["blockHash"]),
            "block_number": int(log["blockNumber"], 16),
            "root_contract_id": None,
            "timestamp": timestamp_text(block_nanoseconds + transaction_index),
            "transaction_hash": log["transactionHash"],
            "transaction_index": transaction_index,
        }

    def _first_block_at(self, seconds: int) -> int:
        """Returns the first block that is not older than a time; the number after the newest if all are."""
        low, high = 0, self.head() + 1
        while low < high:
            middle = (low + high) // 2
            header = self._ask("eth_getBlockByNumber", hex(middle), False)
            if int(header["timestamp"], 16) >= seconds:
                high = middle
            else:
                low = middle + 1
        return low

    # ------------------------------------------------------------------------------ transactions

    def has_contract_result(self, transaction_hash: str) -> bool:
        for extra in self.extra_logs:
            if extra.row["transaction_hash"] == transaction_hash:
                return not extra.is_native and _is_shown(extra)
        receipt = self._ask("eth_getTransactionReceipt", transaction_hash)
        return receipt is not None and int(receipt["blockNumber"], 16) <= self.head()

    def logs_of_transaction(self, transaction_hash: str) -> list[dict[str, Any]]:
        return [
            extra.row
            for extra in self.extra_logs
            if extra.row["transaction_hash"] == transaction_hash and extra.is_native and _is_shown(extra)
        ]

    # ------------------------------------------------------------------------------ contracts

    def call(self, to: str, data: str, block: str) -> str:
        """Returns the answer of a simulated call. Raises CallRefusedError."""
        answer: str = self._ask("eth_call", {"to": to, "data": data}, block)
        return answer

    def has_code(self, address: str) -> bool:
        return self._ask("eth_getCode", address, "latest") not in ("", "0x")

    def id_of(self, address: str) -> str:
        """Returns the number of an address, which has one from the first time it is seen.

        A long-zero address contains it.
        """
        with self._lock:
            if address.startswith("0x" + "0" * 24):
                return f"0.0.{int(address, 16)}"
            return f"0.0.{self._numbers.setdefault(address, _FIRST_ENTITY + len(self._numbers))}"

    def address_of(self, told: str) -> str | None:
        """Returns the address that a path names: by itself, or by an id that was reported before."""
        if told.startswith("0x"):
            return told.lower()
        number = int(told.rpartition(".")[2])
        with self._lock:
            return next((address for address, known in self._numbers.items() if known == number), None)

    # ------------------------------------------------------------------------------ the node

    def _ask(self, method: str, *parameters: object) -> Any:
        return self._ask_many(method, [list(parameters)])[0]

    def _ask_many(self, method: str, parameters: Sequence[Sequence[object]]) -> list[Any]:
        if not parameters:
            return []
        calls = [
            {"jsonrpc": "2.0", "id": next(self._request_ids), "method": method, "params": list(each)}
            for each in parameters
        ]
        request = Request(self.node_url, json.dumps(calls).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=_NODE_TIMEOUT_SECONDS) as response:
            answers = {answer["id"]: answer for answer in json.loads(response.read())}
        in_order = [answers[call["id"]] for call in calls]
        for answer in in_order:
            if "error" in answer:
                raise CallRefusedError(answer["error"])
        return [answer["result"] for answer in in_order]


def place(row: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the place of a log in the order of consensus."""
    return nanoseconds_of(row["timestamp"]), row["index"]


def long_hash(short: str) -> str:
    """Returns a Hedera block hash, which has 48 bytes. Relays show the first 32."""
    return short + "c0ffee" * 5 + "00"


def short_hash(long: str) -> str:
    return long[:_SHORT_HASH]


def _is_shown(extra: ExtraLog) -> bool:
    if extra.hidden_for is None:
        return False
    if extra.hidden_for > 0:
        extra.hidden_for -= 1
        return False
    return True


def _block_row(header: Mapping[str, Any], place_in_second: int) -> dict[str, Any]:
    start = int(header["timestamp"], 16) * NANOSECONDS_PER_SECOND + place_in_second * BLOCK_NANOSECONDS
    end = start + BLOCK_NANOSECONDS - 1
    count = len(header["transactions"])
    return {
        "count": count,
        "gas_used": int(header["gasUsed"], 16),
        "hapi_version": "0.60.0",
        "hash": long_hash(header["hash"]),
        "logs_bloom": "0x",
        "name": "stand-in.rcd",
        "number": int(header["number"], 16),
        "previous_hash": long_hash(header["parentHash"]),
        "size": None,
        "timestamp": {"from": timestamp_text(start), "to": timestamp_text(end)},
    }
