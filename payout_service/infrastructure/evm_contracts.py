"""The asset, the lifecycle contract and the payment token: dull typed methods, no policy."""

from libs.chain.address import EvmAddress
from libs.evm import interfaces
from libs.evm.abi import UndecodableError
from libs.evm.rpc import CallRevertedError, RpcRefusedError, RpcUnavailableError, quantity
from libs.evm.tokens import try_call
from payout_service.domain.settlement import Execution, ExecutionKind
from payout_service.infrastructure.evm_calls import EvmCalls
from payout_service.infrastructure.evm_entitlements import EvmEntitlements
from payout_service.infrastructure.evm_executions import EvmExecutions
from payout_service.infrastructure.evm_holders import EvmHolders

_PAYS_NOBODY = Execution(ExecutionKind.AMOUNT_SNAPSHOT, 0, 0, ())


class EvmContracts(EvmCalls, EvmExecutions, EvmHolders, EvmEntitlements):
    """See Contracts."""

    async def has_code(self, address: EvmAddress) -> bool:
        """See Contracts."""
        return bool(await self._rpc.code(address.value))

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        """See Contracts."""
        answer = await try_call(self._rpc, contract.value, interfaces.GET_PAYMENT_TOKEN, block="latest")
        return EvmAddress(answer[0].lower()) if answer else None

    async def is_paused(self, contract: EvmAddress) -> bool:
        """See Contracts."""
        (paused,) = await self._rpc.call(contract.value, interfaces.IS_PAUSED)
        return bool(paused)

    async def was_paused(self, contract: EvmAddress, block_number: int) -> bool | None:
        """See Contracts."""
        try:
            (paused,) = await self._rpc.call(contract.value, interfaces.IS_PAUSED, block=hex(block_number))
        except (RpcRefusedError, UndecodableError):
            return None
        return bool(paused)

    async def holds_pauser_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_role(contract, interfaces.PAUSER_ROLE, signer)

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_role(contract, interfaces.PAYOUT_ROLE, signer)

    async def holds_cash_out_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_role(contract, interfaces.CASHOUT_ROLE, signer)

    async def holds_redeemer_role(self, token: EvmAddress, contract: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_any_role(token.value, interfaces.MATURITY_REDEEMER_ROLES, contract.value)

    async def holds_transferer_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_role(contract, interfaces.TRANSFERER_ROLE, signer)

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_any_role(token.value, interfaces.SNAPSHOT_ROLES, signer.value)

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        """Simulates a payout to nobody. The guards' order: pause, role, asset (docs/facts-contracts.md#guards)."""
        call = self.pay_batch(contract, token, _PAYS_NOBODY)
        parameters = {"from": signer.value, "to": contract.value, "data": "0x" + call.data.hex()}
        try:
            await self._rpc.request("eth_call", parameters, "latest")
        except CallRevertedError as error:
            selector = error.data[:4]
            if selector == interfaces.INVALID_ASSET.selector:
                return False
            if selector in (interfaces.LIFECYCLE_IS_PAUSED.selector, interfaces.ACCOUNT_HAS_NO_ROLE.selector):
                return None
        return True

    async def implementation_of(self, contract: EvmAddress) -> EvmAddress | None:
        """See Contracts."""
        answer = await self._rpc.request(
            "eth_getStorageAt", contract.value, hex(interfaces.IMPLEMENTATION_SLOT), "latest"
        )
        value = quantity(answer)
        return EvmAddress(f"0x{value:040x}") if value else None

    async def gas_money_wei(self, account: EvmAddress) -> int:
        """See Contracts."""
        return quantity(await self._rpc.request("eth_getBalance", account.value, "latest"))

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: int | None = None
    ) -> int:
        """See Contracts."""
        block = "latest" if block_number is None else hex(block_number)
        (balance,) = await self._read(token.value, interfaces.BALANCE_OF, account.value, block=block)
        return int(balance)

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: str, amount_base_units: int
    ) -> str:
        """See Contracts. True or no answer is a success, as it is to the lifecycle contract."""
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

    async def _holds_role(self, contract: EvmAddress, role: bytes, signer: EvmAddress) -> bool:
        (held,) = await self._rpc.call(contract.value, interfaces.HAS_ROLE, role, signer.value)
        return bool(held)
