"""Implements the port Rail over JSON-RPC, for any EVM node and for Hedera's JSON-RPC relay."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, Nonce, Wei
from libs.errors import AppError, Reason
from libs.evm.interfaces import LIFECYCLE_IS_PAUSED
from libs.evm.rpc import CallRevertedError, JsonRpc, RpcRefusedError, RpcUnavailableError, quantity
from payout_service.application.ports.rail import CallWouldRevertError, Head, Receipt, SeenTransaction
from payout_service.domain.fees import FeeQuote
from payout_service.domain.transaction import ContractCall, Outcome

_T = TypeVar("_T")

_GWEI = 10**9
_DEFAULT_PRIORITY_FEE_WEI = Wei(_GWEI)
# A node's advice, within reason: miners take nothing for nothing, and no chain asks a hundred gwei as a tip.
_LEAST_PRIORITY_FEE_WEI, _MOST_PRIORITY_FEE_WEI = Wei(1), Wei(100 * _GWEI)


class FeeModel(Enum):
    """Where the price of gas is read from."""

    # EIP-1559: the newest block's base fee; legacy where blocks have none.
    BLOCK_BASE_FEE = "BLOCK_BASE_FEE"
    # As before, but the base is eth_gasPrice: a relay's blocks tell what was paid, not what is asked for.
    NODE_GAS_PRICE = "NODE_GAS_PRICE"
    # Legacy transactions (type 0) whatever blocks tell.
    LEGACY = "LEGACY"


class EvmRail:
    """Implements the port `Rail`.

    The chain's identity may be reused for `identity_seconds`, by `monotonic`, to spare requests.
    """

    def __init__(
        self,
        rpc: JsonRpc,
        *,
        fee_model: FeeModel = FeeModel.BLOCK_BASE_FEE,
        identity_seconds: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = rpc
        self._fee_model = fee_model
        self._chain_id = _Reused[int](rpc.chain_id, identity_seconds, monotonic)
        self._genesis_hash = _Reused[str](self._read_genesis_hash, identity_seconds, monotonic)

    async def chain_id(self) -> int:
        return await self._chain_id.read()

    async def genesis_hash(self) -> str:
        return await self._genesis_hash.read()

    async def head(self) -> Head:
        block = await self._rpc.latest_block()
        return Head(block.number, block.hash, block.timestamp_seconds)

    async def block_hash(self, number: BlockNumber) -> str | None:
        block = await self._rpc.block(number)
        return block.hash if block else None

    async def nonce_at(self, signer: EvmAddress, block_number: BlockNumber | None) -> Nonce:
        tag = "latest" if block_number is None else hex(block_number)
        return Nonce(quantity(await self._rpc.request("eth_getTransactionCount", signer.value, tag)))

    async def estimate_gas(self, signer: EvmAddress, call: ContractCall) -> int:
        transaction = {"from": signer.value, "data": "0x" + call.data.hex()}
        if call.to:
            transaction["to"] = call.to.value
        try:
            return quantity(await self._rpc.request("eth_estimateGas", transaction))
        except CallRevertedError as error:
            is_by_pause = error.data[:4] == LIFECYCLE_IS_PAUSED.selector
            raise CallWouldRevertError(error.reason, is_by_pause=is_by_pause) from error
        except RpcRefusedError as error:
            # For example more gas than a block holds: the call cannot be made as it is.
            raise CallWouldRevertError(error.message) from error

    async def fee_quote(self) -> FeeQuote:
        """Applies no cap; the engine does."""
        if self._fee_model is FeeModel.LEGACY:
            return FeeQuote(await self._gas_price())
        base_fee = (await self._rpc.latest_block()).base_fee_wei
        if base_fee is None:
            return FeeQuote(await self._gas_price())
        # A base fee of 0 may be true, or a relay's way to say nothing.
        if base_fee == 0 or self._fee_model is FeeModel.NODE_GAS_PRICE:
            base_fee = await self._gas_price()
        priority_fee = await self._priority_fee()
        return FeeQuote(Wei(base_fee + priority_fee), base_fee_wei=base_fee, priority_fee_wei=priority_fee)

    async def transaction_with_nonce(self, signer: EvmAddress, nonce: Nonce) -> SeenTransaction | None:
        """Finds the block by the signer's transaction count, which needs old state."""
        block_number = await self._block_that_used(signer, nonce)
        if block_number is None:
            return None
        block = await self._ask("eth_getBlockByNumber", hex(block_number), True)
        entry = _transaction_with(block, signer, nonce)
        if entry is None:
            # The chain has moved between the questions.
            raise RpcUnavailableError(f"nonce {nonce} of {signer} is used in block {block_number}, which lacks it")
        receipt = await self.find_receipt(str(entry.get("hash")).lower())
        if receipt is None:
            raise RpcUnavailableError(f"the node has no receipt of {entry.get('hash')}, which is in its block")
        return SeenTransaction(
            transaction_hash=receipt.outcome.transaction_hash,
            block_number=receipt.outcome.block_number,
            block_hash=receipt.outcome.block_hash,
            block_time=datetime.fromtimestamp(quantity(block.get("timestamp")), UTC),
            gas_used=receipt.outcome.gas_used,
            succeeded=receipt.succeeded,
            call=_call_of(entry),
        )

    async def find_receipt(self, transaction_hash: str) -> Receipt | None:
        answer = await self._rpc.request("eth_getTransactionReceipt", transaction_hash)
        return None if answer is None else _receipt(answer)

    async def gas_money_wei(self, account: EvmAddress) -> Wei:
        return Wei(quantity(await self._ask("eth_getBalance", account.value, "latest")))

    async def _read_genesis_hash(self) -> str:
        block = await self._rpc.block(BlockNumber(0))
        if block is None:
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node does not know block 0")
        return block.hash

    async def _priority_fee(self) -> Wei:
        """Returns the tip that the node advises, within bounds; 1 gwei if the node does not know the method."""
        try:
            advised = Wei(quantity(await self._rpc.request("eth_maxPriorityFeePerGas")))
        except RpcRefusedError:
            return _DEFAULT_PRIORITY_FEE_WEI
        return min(max(advised, _LEAST_PRIORITY_FEE_WEI), _MOST_PRIORITY_FEE_WEI)

    async def _gas_price(self) -> Wei:
        return Wei(quantity(await self._ask("eth_gasPrice")))

    async def _ask(self, method: str, *parameters: object) -> Any:
        """Returns the answer to a request that no sound node refuses. Raises RpcUnavailableError."""
        try:
            return await self._rpc.request(method, *parameters)
        except RpcRefusedError as error:
            raise RpcUnavailableError(f"the node refused {method}: {error}") from error

    async def _block_that_used(self, signer: EvmAddress, nonce: Nonce) -> BlockNumber | None:
        """Returns the first block after which the signer's count exceeds the nonce; None when there is none.

        Backwards from the head in doubling steps, then halving: about 2 log2(blocks) questions, and no older
        state than twice the age of the answer.
        """
        used_by = (await self._rpc.latest_block()).number
        if await self._count_at(signer, used_by) <= nonce:
            return None
        not_used_by, step = used_by, 1
        while not_used_by > 0:
            not_used_by = BlockNumber(max(0, used_by - step))
            if await self._count_at(signer, not_used_by) <= nonce:
                break
            used_by, step = not_used_by, 2 * step
        while used_by - not_used_by > 1:
            middle = BlockNumber((used_by + not_used_by) // 2)
            if await self._count_at(signer, middle) > nonce:
                used_by = middle
            else:
                not_used_by = middle
        return used_by

    async def _count_at(self, signer: EvmAddress, block_number: BlockNumber) -> Nonce:
        try:
            return await self.nonce_at(signer, block_number)
        except RpcRefusedError as error:
            raise RpcUnavailableError(
                f"the node does not tell the transaction count at block {block_number}: finding the transaction "
                f"of a nonce needs a node with old state (an archive node): {error}"
            ) from error


class _Reused(Generic[_T]):
    """An answer that is reused for some seconds."""

    def __init__(
        self, ask: Callable[[], Awaitable[_T]], serves_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._serves_seconds = serves_seconds
        self._monotonic = monotonic
        self._answer: tuple[float, _T] | None = None

    async def read(self) -> _T:
        """Returns the answer. Raises what asking raises; an error is never reused."""
        now = self._monotonic()
        if self._answer is not None and now - self._answer[0] < self._serves_seconds:
            return self._answer[1]
        answer = await self._ask()
        self._answer = (now, answer)
        return answer


def _transaction_with(block: Any, signer: EvmAddress, nonce: Nonce) -> Mapping[str, Any] | None:
    """Returns the signer's transaction out of a whole block. Raises RpcUnavailableError for a malformed one."""
    try:
        for entry in block["transactions"] if block else ():
            if entry["from"].lower() == signer.value and quantity(entry["nonce"]) == nonce:
                found: Mapping[str, Any] = entry
                return found
    except (KeyError, TypeError, AttributeError) as error:
        raise RpcUnavailableError(f"the node answered a malformed block: {error!r}") from error
    return None


def _call_of(entry: Mapping[str, Any]) -> ContractCall:
    try:
        to = EvmAddress(entry["to"].lower()) if entry.get("to") else None
        # Older nodes call it data.
        return ContractCall(to, bytes.fromhex((entry.get("input") or entry.get("data") or "0x")[2:]))
    except (TypeError, AttributeError, ValueError) as error:
        raise RpcUnavailableError(f"the node answered a malformed transaction: {error!r}") from error


def _receipt(answer: Mapping[str, Any]) -> Receipt:
    try:
        created = answer.get("contractAddress")
        return Receipt(
            succeeded=quantity(answer["status"]) == 1,
            outcome=Outcome(
                transaction_hash=answer["transactionHash"].lower(),
                block_number=BlockNumber(quantity(answer["blockNumber"])),
                block_hash=answer["blockHash"].lower(),
                gas_used=quantity(answer["gasUsed"]),
                created_contract=EvmAddress(created.lower()) if created else None,
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RpcUnavailableError(f"the node answered a malformed receipt: {error!r}") from error
