"""The chain by plain JSON-RPC, without anything of the services: to send much quickly, and to ask what is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from eth_abi.abi import decode
from eth_typing import ChecksumAddress
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.crypto import keccak

_TIMEOUT = aiohttp.ClientTimeout(total=120)
_CALLS_PER_BATCH = 500
_HOLDERS_PER_PAGE = 200
_MAX_PAGES = 100
_GAS_MONEY_WEI = 10**24


class NodeError(Exception):
    """The node answered with an error."""


@dataclass(frozen=True, slots=True)
class Block:
    """What names a block."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What a holder has, base units; frozen and locked tokens are no part of the balance."""

    balance: int
    frozen: int
    locked: int

    @property
    def total(self) -> int:
        """Balance and parts together."""
        return self.balance + self.frozen + self.locked


class Node:
    """Use in `async with`. Every method raises NodeError when the node refuses, and aiohttp's errors."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, method: str, *parameters: object) -> Any:
        """The result of one call."""
        return _result(await self._post(_request(0, method, parameters)))

    # ------------------------------------------------------------------------------ writing

    async def admit(self, accounts: Sequence[ChecksumAddress]) -> None:
        """Lets these accounts send without a signature, and pays their gas."""
        await self.ask("anvil_autoImpersonateAccount", True)
        for account in accounts:
            await self.ask("anvil_setBalance", account, hex(_GAS_MONEY_WEI))

    async def mine(self) -> None:
        """One block with everything that was sent."""
        await self.ask("anvil_mine", "0x1")

    # ------------------------------------------------------------------------------ reading

    async def block(self, number: int | None = None) -> Block:
        """That block; the newest without a number."""
        found = await self.ask("eth_getBlockByNumber", "latest" if number is None else hex(number), False)
        return Block(int(found["number"], 16), found["hash"])

    async def results(self, block: Block) -> list[bool]:
        """Of each transaction of a block whether it took effect."""
        receipts = await self.ask("eth_getBlockReceipts", hex(block.number))
        return [receipt["status"] == "0x1" for receipt in receipts]

    async def holdings(
        self, token: ChecksumAddress, holders: Sequence[ChecksumAddress], block: Block
    ) -> dict[str, Holding]:
        """What these holders have at a block, by lower-case address; without those who have nothing."""
        columns = [
            await self._numbers(token, function, holders, block)
            for function in ("balanceOf(address)", "getFrozenTokens(address)", "getLockedAmountFor(address)")
        ]
        found = {holder.lower(): Holding(*parts) for holder, *parts in zip(holders, *columns, strict=True)}
        return {holder: holding for holder, holding in found.items() if holding.total}

    async def listed_holders(self, token: ChecksumAddress, block: Block) -> set[str]:
        """Everybody whom the token itself lists at a block, in lower case."""
        found: set[str] = set()
        for index in range(_MAX_PAGES):
            data = call_data("getSecurityHolders(uint256,uint256)", index, _HOLDERS_PER_PAGE)
            answer = await self.ask("eth_call", {"to": token, "data": data}, hex(block.number))
            (page,) = decode(["address[]"], bytes.fromhex(answer[2:]))
            found.update(page)
            if len(page) < _HOLDERS_PER_PAGE:
                return found
        raise NodeError(f"{token} lists more than {_MAX_PAGES} pages of holders")

    async def total_supply(self, token: ChecksumAddress, block: Block) -> int:
        """The token's total supply at a block."""
        answer = await self.ask("eth_call", {"to": token, "data": call_data("totalSupply()")}, hex(block.number))
        return int(answer, 16)

    async def logs(
        self, contract: ChecksumAddress, events: Sequence[str], first_block: int, last_block: int
    ) -> list[tuple[str, str, int]]:
        """Block hash, transaction hash and index of each log of these events, oldest first."""
        query = {
            "address": contract,
            "topics": [["0x" + keccak(text=event).hex() for event in events]],
            "fromBlock": hex(first_block),
            "toBlock": hex(last_block),
        }
        found = await self.ask("eth_getLogs", query)
        return [(log["blockHash"], log["transactionHash"], int(log["logIndex"], 16)) for log in found]

    # ------------------------------------------------------------------------------ internals

    async def _numbers(
        self, token: ChecksumAddress, function: str, holders: Sequence[ChecksumAddress], block: Block
    ) -> list[int]:
        calls = [({"to": token, "data": call_data(function, holder)}, hex(block.number)) for holder in holders]
        found: list[int] = []
        for start in range(0, len(calls), _CALLS_PER_BATCH):
            batch = [
                _request(index, "eth_call", parameters)
                for index, parameters in enumerate(calls[start : start + _CALLS_PER_BATCH])
            ]
            answers = sorted(await self._post(batch), key=lambda answer: answer["id"])
            assert len(answers) == len(batch)
            found.extend(int(_result(answer), 16) for answer in answers)
        return found

    async def _post(self, body: object) -> Any:
        async with self._session.post(self._url, json=body) as reply:
            return await reply.json(content_type=None)


def call_data(function: str, *arguments: ChecksumAddress | int) -> str:
    """The data of a call whose arguments are addresses and numbers."""
    words = (
        bytes.fromhex(each[2:]).rjust(32, b"\0") if isinstance(each, str) else each.to_bytes(32, "big")
        for each in arguments
    )
    return "0x" + (function_signature_to_4byte_selector(function) + b"".join(words)).hex()


def _request(identity: int, method: str, parameters: Sequence[object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(parameters)}


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise NodeError(str(answer["error"]))
    return answer["result"]
