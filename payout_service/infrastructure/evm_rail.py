"""The EVM JSON-RPC rail."""

from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.evm.rpc import CallRevertedError, JsonRpc, RpcRefusedError, quantity
from payout_service.application.chain_ports import (
    BroadcastAnswer,
    BroadcastResult,
    CallWouldRevertError,
    FeeCapReachedError,
    Head,
    Receipt,
)
from payout_service.domain.transaction import ContractCall, Fees, Outcome, SignedTransaction
from payout_service.infrastructure.signer import LocalSigner

# What nodes say in their own words; anything else is NOT_TAKEN, which is always safe: the same bytes go out
# again and the outcome is looked for by nonce.
_ALREADY_KNOWN = ("already known", "already imported", "known transaction", "alreadyknown")
_NONCE_USED = ("nonce too low", "nonce is too low", "already been used", "wrong_nonce")
_PRIORITY_FEE_WEI = 10**9


class EvmRail:
    """See Rail. One signer."""

    def __init__(self, rpc: JsonRpc, signer: LocalSigner, max_fee_per_gas_wei: int) -> None:
        self._rpc = rpc
        self._signer = signer
        self._max_fee_per_gas_wei = max_fee_per_gas_wei

    async def chain_id(self) -> int:
        """See Rail."""
        return await self._rpc.chain_id()

    async def genesis_hash(self) -> str:
        """See Rail."""
        block = await self._rpc.block(0)
        if block is None:
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node does not know block 0")
        return block.hash

    async def head(self) -> Head:
        """See Rail."""
        block = await self._rpc.latest_block()
        return Head(block.number, block.hash)

    async def block_hash(self, number: int) -> str | None:
        """See Rail."""
        block = await self._rpc.block(number)
        return block.hash if block else None

    async def nonce_at(self, signer: EvmAddress, block_number: int | None) -> int:
        """See Rail."""
        tag = "latest" if block_number is None else hex(block_number)
        return quantity(await self._rpc.request("eth_getTransactionCount", signer.value, tag))

    async def estimate_gas(self, signer: EvmAddress, call: ContractCall) -> int:
        """See Rail."""
        transaction = {"from": signer.value, "data": "0x" + call.data.hex()}
        if call.to:
            transaction["to"] = call.to.value
        try:
            return quantity(await self._rpc.request("eth_estimateGas", transaction))
        except CallRevertedError as error:
            raise CallWouldRevertError(error.reason) from error
        except RpcRefusedError as error:
            # For example more gas than a block holds: the call cannot be made as it is.
            raise CallWouldRevertError(error.message) from error

    async def fees(self) -> Fees:
        """Twice the base fee and a tip, below the configured cap: mined soon although the base fee may rise."""
        block = await self._rpc.latest_block()
        base_fee = block.base_fee_wei
        if base_fee is None:
            base_fee = quantity(await self._rpc.request("eth_gasPrice"))
        if base_fee > self._max_fee_per_gas_wei:
            raise FeeCapReachedError(f"the chain asks for more than {self._max_fee_per_gas_wei} wei per gas")
        max_fee = min(2 * base_fee + _PRIORITY_FEE_WEI, self._max_fee_per_gas_wei)
        return Fees(max_fee, min(_PRIORITY_FEE_WEI, max_fee))

    async def sign(
        self, signer: EvmAddress, call: ContractCall, *, chain_id: int, nonce: int, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """See Rail."""
        if signer != self._signer.address:
            raise ValueError(f"no key for {signer}")
        return self._signer.sign(call, chain_id=chain_id, nonce=nonce, gas_limit=gas_limit, fees=fees)

    async def broadcast(self, raw: bytes) -> BroadcastResult:
        """See Rail."""
        try:
            await self._rpc.request("eth_sendRawTransaction", "0x" + raw.hex())
        except RpcRefusedError as error:
            said = error.message.lower()
            if any(words in said for words in _ALREADY_KNOWN):
                return BroadcastResult(BroadcastAnswer.ALREADY_KNOWN, error.message)
            if any(words in said for words in _NONCE_USED):
                return BroadcastResult(BroadcastAnswer.NONCE_USED, error.message)
            return BroadcastResult(BroadcastAnswer.NOT_TAKEN, error.message)
        return BroadcastResult(BroadcastAnswer.ACCEPTED)

    async def find_receipt(self, transaction_hash: str) -> Receipt | None:
        """See Rail."""
        answer = await self._rpc.request("eth_getTransactionReceipt", transaction_hash)
        if answer is None:
            return None
        created = answer.get("contractAddress")
        return Receipt(
            succeeded=quantity(answer["status"]) == 1,
            outcome=Outcome(
                transaction_hash=answer["transactionHash"].lower(),
                block_number=quantity(answer["blockNumber"]),
                block_hash=answer["blockHash"].lower(),
                gas_used=quantity(answer["gasUsed"]),
                created_contract=EvmAddress(created.lower()) if created else None,
            ),
        )
