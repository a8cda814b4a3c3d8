"""Reads the chain with plain web3: no code of ours is asked what happened there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from eth_typing import BlockNumber, ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.types import FilterParams, LogReceipt, RPCEndpoint

from deploy.devnet.artifacts import load_contract
from tests.chaos.found import Chain, Move, Sent, Transfer

_REQUEST_SECONDS = 30
_CALLS_AT_ONCE = 100
_TRANSFER = HexBytes(keccak(text="Transfer(address,address,uint256)"))
# Of every movement of security tokens, in both versions of the asset; of a redemption version 7 has no Transfer.
_MOVEMENT = HexBytes(keccak(text="TransferByPartition(bytes32,address,address,address,uint256,bytes,bytes)"))
_SNAPSHOT_TAKEN = HexBytes(keccak(text="SnapshotTaken(address,uint256)"))
_SNAPSHOT_TRIGGERED = HexBytes(keccak(text="SnapshotTriggered(uint256,bytes)"))
_PAUSED = HexBytes(keccak(text="LifeCycleCashFlowPaused(address)"))
_UNPAUSED = HexBytes(keccak(text="LifeCycleCashFlowUnpaused(address)"))
_POOL_EMPTY_SECONDS = 60.0
_POLL_SECONDS = 0.05


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
        # Its balanceOf is that of the security tokens, too.
        self._payment_token_abi = load_contract("PaymentToken").abi
        self._security_abi = load_contract("EquityToken").abi
        self._lifecycle_abi = load_contract("LifeCycleCashFlow").abi

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
        # One end for all logs, so that they tell of the same transactions.
        last_block = await self._web3.eth.get_block_number()
        snapshots = await self._logs(mark, last_block, token, [[_SNAPSHOT_TAKEN, _SNAPSHOT_TRIGGERED]])
        moves = await self._logs(mark, last_block, token, [_MOVEMENT])
        transfers: list[Transfer] = []
        contract_change = None
        pauses: list[LogReceipt] = []
        if contract is not None:
            logs = await self._logs(mark, last_block, payment_token, [_TRANSFER, _topic(contract)])
            transfers = [
                Transfer(_account(log["topics"][2]), int.from_bytes(log["data"]), _text(log["transactionHash"]))
                for log in logs
            ]
            pauses = await self._logs(mark, last_block, contract, [[_PAUSED, _UNPAUSED]])
            held = await self._balances(payment_token, [contract])
            contract_change = sum(held.values()) - mark.contract_balance
        # Also whom it has paid and nobody knew: new holders of a bond that is redeemed.
        paid = {to_checksum_address(transfer.to) for transfer in transfers}
        balances = await self._balances(payment_token, sorted(paid.union(holders)))
        return Chain(
            sent=sent,
            received={holder: amount - mark.balances.get(holder, 0) for holder, amount in balances.items()},
            transfers=tuple(transfers),
            snapshots={_text(log["transactionHash"]): _snapshot_id(log) for log in snapshots},
            contract_change_base_units=contract_change,
            moves=tuple(
                Move(
                    sender=_account(log["topics"][2]),
                    to=_account(log["topics"][3]),
                    # After the operator.
                    tokens=int.from_bytes(log["data"][32:64]),
                    transaction_hash=_text(log["transactionHash"]),
                )
                for log in moves
            ),
            live_balances=await self.live_balances(token),
            pauses=tuple(log["topics"][0] == _PAUSED for log in pauses),
        )

    async def live_balances(self, token: ChecksumAddress) -> dict[str, int]:
        """Who holds free tokens now, in the token's own order."""
        asset = self._web3.eth.contract(token, abi=self._security_abi)
        count = await asset.functions.getTotalSecurityHolders().call()
        holders = await asset.functions.getSecurityHolders(0, max(count, 1)).call()
        return await self._balances(token, holders)

    async def is_paused(self, contract: ChecksumAddress | None) -> bool:
        """Whether a lifecycle contract is paused now. Raises ValueError when there is none."""
        if contract is None:
            raise ValueError("there is no lifecycle contract")
        treasury = self._web3.eth.contract(contract, abi=self._lifecycle_abi)
        return bool(await treasury.functions.isPaused().call())

    async def pool_is_empty(self) -> None:
        """Waits until blocks hold all that the signer has sent. Raises TimeoutError."""
        async with asyncio.timeout(_POOL_EMPTY_SECONDS):
            while await self._pool():  # noqa: ASYNC110 - only the node knows
                await asyncio.sleep(_POLL_SECONDS)

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

    async def _balances(self, token: ChecksumAddress, accounts: Iterable[ChecksumAddress]) -> dict[str, int]:
        contract = self._web3.eth.contract(token, abi=self._payment_token_abi)
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

    async def _logs(
        self, mark: Mark, last_block: int, address: ChecksumAddress, topics: Sequence[HexBytes | list[HexBytes]]
    ) -> list[LogReceipt]:
        if last_block <= mark.block:
            return []
        wanted: FilterParams = {
            "address": address,
            "fromBlock": BlockNumber(mark.block + 1),
            "toBlock": BlockNumber(last_block),
            "topics": list(topics),
        }
        return await self._web3.eth.get_logs(wanted)


def _account(topic: HexBytes) -> str:
    return "0x" + topic.hex()[-40:]


def _snapshot_id(log: LogReceipt) -> int:
    """Of SnapshotTaken its second topic, of SnapshotTriggered the first word of its data."""
    is_taken = log["topics"][0] == _SNAPSHOT_TAKEN
    return int.from_bytes(log["topics"][2] if is_taken else log["data"][:32])


def _topic(address: ChecksumAddress) -> HexBytes:
    return HexBytes(bytes(12) + bytes.fromhex(address[2:]))


def _text(transaction_hash: HexBytes) -> str:
    return transaction_hash.to_0x_hex().lower()
