"""Reads the chain with plain web3: no code of ours is asked what happened there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.types import FilterParams, LogReceipt, RPCEndpoint

from deploy.devnet.artifacts import load_contract
from tests.chaos.found import Chain, Sent, Transfer

_REQUEST_SECONDS = 30
_CALLS_AT_ONCE = 100
_TRANSFER = HexBytes(keccak(text="Transfer(address,address,uint256)"))
_SNAPSHOT_TAKEN = HexBytes(keccak(text="SnapshotTaken(address,uint256)"))


@dataclass(frozen=True, slots=True)
class Mark:
    """The chain at the beginning of a case: what is read later counts from here. Amounts in base units."""

    block: int
    nonce: int
    balances: Mapping[str, int]
    contract_balance: int


class ChainReader:
    """One connection to the node. Use in `async with`."""

    def __init__(self, rpc_url: str, signer: ChecksumAddress) -> None:
        self._web3: AsyncWeb3[Any] = AsyncWeb3(
            AsyncHTTPProvider(rpc_url, request_kwargs={"timeout": _REQUEST_SECONDS})
        )
        self._signer = signer
        self._payment_token_abi = load_contract("PaymentToken").abi

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._web3.provider.disconnect()

    async def mark(
        self,
        payment_token: ChecksumAddress,
        holders: Iterable[ChecksumAddress],
        contract: ChecksumAddress | None,
    ) -> Mark:
        """Where the chain stands."""
        block = await self._web3.eth.get_block_number()
        balances = await self._balances(payment_token, holders)
        held = (await self._balances(payment_token, [contract])) if contract else {}
        nonce = await self._web3.eth.get_transaction_count(self._signer, "pending")
        return Mark(block, nonce, balances, sum(held.values()))

    async def since(
        self,
        mark: Mark,
        *,
        token: ChecksumAddress,
        payment_token: ChecksumAddress,
        holders: Iterable[ChecksumAddress],
        contract: ChecksumAddress | None,
    ) -> Chain:
        """What has happened since."""
        # The pool first: what moves into a block meanwhile is found there.
        sent = await self._pool() | await self._mined(mark.block + 1)
        balances = await self._balances(payment_token, holders)
        snapshots = await self._logs(mark, token, [_SNAPSHOT_TAKEN])
        transfers: list[LogReceipt] = []
        contract_change = None
        if contract is not None:
            transfers = await self._logs(mark, payment_token, [_TRANSFER, _topic(contract)])
            held = await self._balances(payment_token, [contract])
            contract_change = sum(held.values()) - mark.contract_balance
        return Chain(
            sent=sent,
            received={holder: amount - mark.balances[holder] for holder, amount in balances.items()},
            transfers=tuple(
                Transfer(
                    to="0x" + log["topics"][2].hex()[-40:],
                    amount_base_units=int.from_bytes(log["data"]),
                    transaction_hash=_text(log["transactionHash"]),
                )
                for log in transfers
            ),
            snapshots={_text(log["transactionHash"]): int.from_bytes(log["topics"][2]) for log in snapshots},
            contract_change_base_units=contract_change,
        )

    async def next_nonce(self) -> int:
        """The signer's next nonce by the newest block."""
        return int(await self._web3.eth.get_transaction_count(self._signer, "latest"))

    async def _pool(self) -> dict[str, Sent]:
        response = await self._web3.provider.make_request(RPCEndpoint("txpool_content"), [])
        return {
            str(transaction["hash"]).lower(): Sent(int(nonce), None)
            for kind in ("pending", "queued")
            for sender, transactions in response["result"][kind].items()
            if sender.lower() == self._signer.lower()
            for nonce, transaction in transactions.items()
        }

    async def _mined(self, first_block: int) -> dict[str, Sent]:
        last_block = await self._web3.eth.get_block_number()
        sent: dict[str, Sent] = {}
        for start in range(first_block, last_block + 1, _CALLS_AT_ONCE):
            async with self._web3.batch_requests() as batch:
                for number in range(start, min(start + _CALLS_AT_ONCE, last_block + 1)):
                    batch.add(self._web3.eth.get_block(number, full_transactions=True))
                blocks: list[Any] = list(await batch.async_execute())
            sent |= {
                _text(transaction["hash"]): Sent(int(transaction["nonce"]), int(block["number"]))
                for block in blocks
                for transaction in block["transactions"]
                if transaction["from"] == self._signer
            }
        return sent

    async def _balances(
        self, payment_token: ChecksumAddress, accounts: Iterable[ChecksumAddress]
    ) -> dict[str, int]:
        contract = self._web3.eth.contract(payment_token, abi=self._payment_token_abi)
        asked = list(accounts)
        balances: dict[str, int] = {}
        for start in range(0, len(asked), _CALLS_AT_ONCE):
            chunk = asked[start : start + _CALLS_AT_ONCE]
            async with self._web3.batch_requests() as batch:
                for account in chunk:
                    batch.add(contract.functions.balanceOf(account))
                answers: list[Any] = list(await batch.async_execute())
            balances |= {account.lower(): int(answer) for account, answer in zip(chunk, answers, strict=True)}
        return balances

    async def _logs(self, mark: Mark, address: ChecksumAddress, topics: list[HexBytes]) -> list[LogReceipt]:
        wanted: FilterParams = {"address": address, "fromBlock": mark.block + 1, "topics": list(topics)}
        return await self._web3.eth.get_logs(wanted)


def _topic(address: ChecksumAddress) -> HexBytes:
    return HexBytes(bytes(12) + bytes.fromhex(address[2:]))


def _text(transaction_hash: HexBytes) -> str:
    return transaction_hash.to_0x_hex().lower()
