"""A JSON-RPC client for an EVM node. A request returns the node's answer or raises one of three kinds of error."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from libs.chain.quantities import BlockNumber, Wei
from libs.errors import AppError, Reason
from libs.evm.abi import Function, UndecodableError
from libs.evm.interfaces import KNOWN_ERRORS, PAYMENT_TOKEN_ERRORS
from libs.evm.pacing import Backoff, MethodPacing, MustWaitError, Timing

# Geth and its descendants: 3 carries revert data; -32000 with data is older nodes' way to say the same.
_REVERT_CODE = 3
_HTTP_TOO_MANY_REQUESTS = 429
# A Hedera relay's own code for the same; it comes with other HTTP statuses too, and inside batches.
_TOO_MANY_REQUESTS_CODE = -32605


class RpcUnavailableError(AppError):
    """The node did not answer, or is overloaded. It is unknown whether it acted on the request."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CHAIN_UNAVAILABLE, message)


class RpcRefusedError(Exception):
    """The node answered with a JSON-RPC error. Its message comes from outside: never rely on its wording alone."""

    def __init__(self, code: int, message: str, data: bytes) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class AnswerTooLargeError(RpcRefusedError):
    """The answer has more bytes than allowed. What was read of it is dropped."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(0, f"the answer has more than {max_bytes} bytes", b"")


class CallRevertedError(RpcRefusedError):
    """A simulated call reverted. `data` is the revert data, `reason` its name as far as we know it."""

    @property
    def reason(self) -> str:
        """The contract error's name and values, or only the selector."""
        return describe_revert(self.data)


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """The fields of a block that we need."""

    number: BlockNumber
    hash: str
    parent_hash: str
    timestamp_seconds: int
    base_fee_wei: Wei | None


@dataclass(frozen=True, slots=True)
class Log:
    """A log entry; addresses and hashes in lower case."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: BlockNumber
    block_hash: str
    transaction_hash: str
    log_index: int


class JsonRpc:
    """A client of one node. Every request has a timeout. It retries nothing: the engine decides that.

    `max_concurrency` bounds the requests under way; `batch_size` how many calls share one HTTP request (1 for
    nodes that refuse batches). `pacing` keeps to a relay's limits. After HTTP 429 all requests wait as long as
    the node says; one that would wait longer than its timeout is not sent and raises RpcUnavailableError.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        max_concurrency: int = 8,
        batch_size: int = 100,
        pacing: MethodPacing | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._limit = asyncio.Semaphore(max_concurrency)
        self._batch_size = batch_size
        self._pacing = pacing
        self._backoff = Backoff(timing or Timing())
        self._ids = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def request(self, method: str, *parameters: object) -> Any:
        """Returns the result of one call. Raises RpcUnavailableError, RpcRefusedError or CallRevertedError."""
        return await self._request_one(method, parameters, allow_reverts=False)

    async def request_many(
        self, method: str, parameters: Sequence[Sequence[object]], *, allow_reverts: bool = False
    ) -> list[Any]:
        """Returns the results of many calls of one method, in order. Raises as `request`, for the first failure.

        With `allow_reverts` a call that reverts has the result None.
        """
        if self._pacing is None:
            size = self._batch_size
            chunks = [parameters[start : start + size] for start in range(0, len(parameters), size)]
            results = await asyncio.gather(
                *(self._request_batch(method, chunk, allow_reverts) for chunk in chunks)
            )
            return list(itertools.chain.from_iterable(results))
        # One after the other: all at once they would wait for each other longer than any may.
        size = min(self._batch_size, self._pacing.most_at_once(method))
        answers: list[Any] = []
        for start in range(0, len(parameters), size):
            answers += await self._request_batch(method, parameters[start : start + size], allow_reverts)
        return answers

    async def call(
        self, to: str, function: Function, *arguments: object, block: str = "latest"
    ) -> tuple[Any, ...]:
        """Returns the decoded answer of a contract function.

        Raises RpcUnavailableError, CallRevertedError, RpcRefusedError, and UndecodableError where there is no
        such function.
        """
        data = function.encode(*arguments)
        answer = await self.request("eth_call", {"to": to, "data": "0x" + data.hex()}, block)
        return function.decode(_bytes(answer, function.name))

    async def call_many(
        self, to: str, function: Function, arguments: Sequence[Sequence[object]], block: str
    ) -> list[tuple[Any, ...]]:
        """Returns decoded answers of one function for many arguments, in order, at one block. Raises as `call`."""
        parameters = [({"to": to, "data": "0x" + function.encode(*each).hex()}, block) for each in arguments]
        answers = await self.request_many("eth_call", parameters)
        return [function.decode(_bytes(answer, function.name)) for answer in answers]

    async def chain_id(self) -> int:
        """Returns the EIP-155 id that the node reports."""
        return quantity(await self.request("eth_chainId"))

    async def block(self, number: BlockNumber | str) -> BlockHeader | None:
        """Returns a block by number or tag; None if the node has none."""
        tag = number if isinstance(number, str) else hex(number)
        answer = await self.request("eth_getBlockByNumber", tag, False)
        return _block_header(answer) if answer else None

    async def blocks(self, numbers: Sequence[BlockNumber]) -> list[BlockHeader | None]:
        """Returns blocks by number, in order; None where the node has none."""
        answers = await self.request_many("eth_getBlockByNumber", [(hex(number), False) for number in numbers])
        return [_block_header(answer) if answer else None for answer in answers]

    async def latest_block(self) -> BlockHeader:
        """Returns the newest block. Raises RpcUnavailableError when the node has none."""
        block = await self.block("latest")
        if block is None:
            raise RpcUnavailableError("the node has no latest block")
        return block

    async def code(self, address: str) -> bytes:
        """Returns the code of a contract; empty where there is none."""
        return _bytes(await self.request("eth_getCode", address, "latest"), "eth_getCode")

    async def eth_call_many(self, parameters: Sequence[Sequence[object]]) -> list[bytes | None]:
        """Returns raw answers of calls, in order; None for one that reverts.

        Raises as `request` but for reverts.
        """
        answers = await self.request_many("eth_call", parameters, allow_reverts=True)
        return [None if answer is None else _bytes(answer, "eth_call") for answer in answers]

    async def logs(
        self, address: str, topics: Sequence[object], *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[Log]:
        """Returns a contract's logs in a range of blocks, both ends included, in order of block and index."""
        return await self.logs_of_many([address], topics, from_block=from_block, to_block=to_block)

    async def logs_of_many(
        self,
        addresses: Sequence[str],
        topics: Sequence[object],
        *,
        from_block: BlockNumber,
        to_block: BlockNumber,
        max_bytes: int | None = None,
    ) -> list[Log]:
        """Returns the logs of any of these contracts, as `logs`.

        Also raises AnswerTooLargeError, unless the limit is None.
        """
        wanted = {
            "address": addresses[0] if len(addresses) == 1 else list(addresses),
            "topics": topics,
            "fromBlock": hex(from_block),
            "toBlock": hex(to_block),
        }
        answer = await self._request_one("eth_getLogs", [wanted], allow_reverts=False, max_bytes=max_bytes)
        if not isinstance(answer, list):
            raise RpcUnavailableError("the node answered nonsense to eth_getLogs")
        found = [parse_log(entry) for entry in answer if not (isinstance(entry, dict) and entry.get("removed"))]
        return sorted(found, key=lambda log: (log.block_number, log.log_index))

    async def _request_batch(
        self, method: str, parameters: Sequence[Sequence[object]], allow_reverts: bool
    ) -> list[Any]:
        if self._batch_size == 1:
            return [await self._request_one(method, each, allow_reverts) for each in parameters]
        bodies = [self._body(method, each) for each in parameters]
        answers = await self._post(bodies)
        if isinstance(answers, dict):
            # A node that refuses the whole batch answers with one error.
            _result(answers, method)
        if not isinstance(answers, list):
            raise RpcUnavailableError(f"the node answered nonsense to a batch of {method}")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        missing = [body["id"] for body in bodies if body["id"] not in by_id]
        if missing:
            raise RpcUnavailableError(f"the node left out {len(missing)} answers of a batch of {method}")
        return [_result_or_revert(by_id[body["id"]], method, allow_reverts) for body in bodies]

    async def _request_one(
        self, method: str, parameters: Sequence[object], allow_reverts: bool, max_bytes: int | None = None
    ) -> Any:
        answer = await self._post(self._body(method, parameters), max_bytes)
        if not isinstance(answer, dict):
            raise RpcUnavailableError(f"the node answered nonsense to {method}")
        return _result_or_revert(answer, method, allow_reverts)

    def _body(self, method: str, parameters: Sequence[object]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}

    async def _post(self, body: dict[str, Any] | list[dict[str, Any]], max_bytes: int | None = None) -> Any:
        await self._wait_for_turn(body)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._limit, self._session.post(self._url, json=body) as response:
                if response.status == _HTTP_TOO_MANY_REQUESTS:
                    self._backoff.refused(response.headers.get("Retry-After"))
                    raise RpcUnavailableError("the node answered HTTP 429: too many requests")
                if response.status >= 500:
                    raise RpcUnavailableError(f"the node answered HTTP {response.status}")
                answer = json.loads(await _read(response, max_bytes))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # Not the URL: it may carry a key.
            raise RpcUnavailableError(f"the node did not answer: {type(error).__name__}") from error
        if _says_too_many_requests(answer):
            self._backoff.refused(None)
            raise RpcUnavailableError("the node answered that there were too many requests")
        self._backoff.answered()
        return answer

    async def _wait_for_turn(self, body: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Waits until the request may leave. Raises RpcUnavailableError if that is too late; nothing is sent."""
        calls = body if isinstance(body, list) else [body]
        try:
            if self._pacing is not None:
                await self._pacing.take(calls[0]["method"], len(calls))
            await self._backoff.wait(self._timeout_seconds)
        except MustWaitError as error:
            raise RpcUnavailableError(f"the request was not sent: {error}") from error


async def _read(response: aiohttp.ClientResponse, max_bytes: int | None) -> bytes:
    """Returns the whole body. Raises AnswerTooLargeError as soon as it is longer than allowed."""
    if max_bytes is None:
        return await response.read()
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > max_bytes:
            raise AnswerTooLargeError(max_bytes)
    return bytes(read)


def describe_revert(data: bytes) -> str:
    """Describes revert data: the error with its values if we know it, otherwise its selector."""
    if len(data) < 4:
        return "reverted without a reason"
    known = KNOWN_ERRORS.get(data[:4]) or PAYMENT_TOKEN_ERRORS.get(data[:4])
    if known is None:
        return f"custom error 0x{data[:4].hex()}"
    try:
        values = known.decode(data)
    except UndecodableError:
        return known.name
    shown = ", ".join("0x" + value.hex() if isinstance(value, bytes) else str(value) for value in values)
    return f"{known.name}({shown})"


def quantity(answer: object) -> int:
    """Reads a JSON-RPC quantity. Raises RpcUnavailableError for anything else."""
    if isinstance(answer, str):
        try:
            return int(answer, 16)
        except ValueError:
            pass
    raise RpcUnavailableError(f"the node answered {str(answer)[:60]!r} where a quantity belongs")


def parse_log(entry: dict[str, Any]) -> Log:
    """Reads a log from the node's answer. Raises RpcUnavailableError when a part is missing."""
    try:
        return Log(
            address=entry["address"].lower(),
            topics=tuple(bytes.fromhex(topic[2:]) for topic in entry["topics"]),
            data=bytes.fromhex(entry["data"][2:]),
            block_number=BlockNumber(quantity(entry["blockNumber"])),
            block_hash=entry["blockHash"].lower(),
            transaction_hash=entry["transactionHash"].lower(),
            log_index=quantity(entry["logIndex"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RpcUnavailableError(f"the node answered a malformed log: {error!r}") from error


def _says_too_many_requests(answer: object) -> bool:
    for each in answer if isinstance(answer, list) else [answer]:
        error = each.get("error") if isinstance(each, dict) else None
        if isinstance(error, dict) and error.get("code") == _TOO_MANY_REQUESTS_CODE:
            return True
    return False


def _result(answer: dict[str, Any], method: str) -> Any:
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict):
        raise RpcUnavailableError(f"the node answered nonsense to {method}")
    told_code = error.get("code")
    code = told_code if isinstance(told_code, int) else 0
    message = str(error.get("message", ""))[:300]
    data = _revert_data(error.get("data"))
    if method in ("eth_call", "eth_estimateGas") and (code == _REVERT_CODE or data or "revert" in message):
        raise CallRevertedError(code, message, data)
    raise RpcRefusedError(code, message, data)


def _result_or_revert(answer: dict[str, Any], method: str, allow_reverts: bool) -> Any:
    try:
        return _result(answer, method)
    except CallRevertedError:
        if not allow_reverts:
            raise
        return None


def _revert_data(data: object) -> bytes:
    """Reads revert data in the forms that nodes use: a hex string, or one inside an object."""
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    return b""


def _block_header(answer: dict[str, Any]) -> BlockHeader:
    try:
        base_fee = answer.get("baseFeePerGas")
        return BlockHeader(
            number=BlockNumber(quantity(answer["number"])),
            hash=answer["hash"].lower(),
            parent_hash=answer["parentHash"].lower(),
            timestamp_seconds=quantity(answer["timestamp"]),
            base_fee_wei=Wei(quantity(base_fee)) if base_fee is not None else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RpcUnavailableError(f"the node answered a malformed block: {error!r}") from error


def _bytes(answer: object, what: str) -> bytes:
    if isinstance(answer, str) and answer.startswith("0x"):
        try:
            return bytes.fromhex(answer[2:])
        except ValueError:
            pass
    raise RpcUnavailableError(f"the node answered nonsense to {what}")
