"""Reads the payment token: balances, transfers, and why it refuses a transfer."""

from eth_abi.abi import encode

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress
from libs.evm import interfaces
from libs.evm.rpc import CallRevertedError, RpcRefusedError, RpcUnavailableError, quantity
from libs.evm.tokens import try_call
from payout_service.application.ports.payment_token import SeenTransfer
from payout_service.infrastructure.chain.logs import hex_of, transfer_of
from payout_service.infrastructure.chain.reader import EvmReader


class EvmPaymentToken(EvmReader):
    """Implements the port `PaymentToken`."""

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: BlockNumber | None = None
    ) -> BaseUnits:
        block = "latest" if block_number is None else hex(block_number)
        (balance,) = await self._read(token.value, interfaces.BALANCE_OF, account.value, block=block)
        return BaseUnits(balance)

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: HolderAddress, amount_base_units: BaseUnits
    ) -> str:
        """As for the lifecycle contract, True or an empty answer means success."""
        data = interfaces.TRANSFER_TOKENS.encode(payee, amount_base_units)
        transfer = {"from": contract.value, "to": payment_token.value, "data": "0x" + data.hex()}
        try:
            answer = await self._rpc.request("eth_call", transfer, "latest")
        except CallRevertedError as error:
            # Some nodes leave the data out and put the reason into their words.
            return error.reason if error.data or not error.message else error.message
        except RpcRefusedError as refusal:
            # Of the transfer, or of everything? A node that then tells a balance is sound.
            if await try_call(self._rpc, payment_token.value, interfaces.BALANCE_OF, payee, block="latest"):
                return refusal.message or "refused without a reason"
            raise RpcUnavailableError(f"the node refused to simulate a transfer: {refusal}") from refusal
        return "" if answer == "0x" or quantity(answer) == 1 else "the token's transfer answered false"

    async def outgoing_transfers(
        self, payment_token: EvmAddress, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[SeenTransfer]:
        """A log of another layout proves nothing and is left out."""
        topics = [hex_of(interfaces.TRANSFER.topic), hex_of(encode(["address"], [contract.value]))]
        logs = await self._logs(payment_token.value, topics, from_block, to_block)
        decoded = ((log, transfer_of(log)) for log in logs)
        return [
            SeenTransfer(log.transaction_hash, log.block_number, transfer[1], BaseUnits(transfer[2]))
            for log, transfer in decoded
            if transfer is not None
        ]
