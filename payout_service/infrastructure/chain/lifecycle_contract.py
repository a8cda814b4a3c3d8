"""Reads and calls the lifecycle contract: roles, pause, guards, executions."""

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber
from libs.evm import interfaces
from libs.evm.abi import UndecodableError
from libs.evm.rpc import CallRevertedError, RpcRefusedError, quantity
from libs.evm.tokens import try_call
from payout_service.domain.settlement import Execution, ExecutionKind
from payout_service.infrastructure.chain.calls import EvmCalls
from payout_service.infrastructure.chain.executions import EvmExecutions

_PAYS_NOBODY = Execution(ExecutionKind.AMOUNT_SNAPSHOT, 0, BaseUnits(0), ())


class EvmLifecycleContract(EvmCalls, EvmExecutions):
    """Implements the port `LifecycleContractPort`."""

    async def has_code(self, address: EvmAddress) -> bool:
        return bool(await self._rpc.code(address.value))

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        answer = await try_call(self._rpc, contract.value, interfaces.GET_PAYMENT_TOKEN, block="latest")
        return EvmAddress(answer[0].lower()) if answer else None

    async def is_paused(self, contract: EvmAddress) -> bool:
        (paused,) = await self._rpc.call(contract.value, interfaces.IS_PAUSED)
        return bool(paused)

    async def was_paused(self, contract: EvmAddress, block_number: BlockNumber) -> bool | None:
        try:
            (paused,) = await self._rpc.call(contract.value, interfaces.IS_PAUSED, block=hex(block_number))
        except (RpcRefusedError, UndecodableError):
            return None
        return bool(paused)

    async def holds_pauser_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        return await self._holds_role(contract, interfaces.PAUSER_ROLE, signer)

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        return await self._holds_role(contract, interfaces.PAYOUT_ROLE, signer)

    async def holds_cash_out_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        return await self._holds_role(contract, interfaces.CASHOUT_ROLE, signer)

    async def holds_transferer_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        return await self._holds_role(contract, interfaces.TRANSFERER_ROLE, signer)

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        """Simulates a payout to nobody, whose guards are known (docs/facts-contracts.md#guards)."""
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
        answer = await self._rpc.request(
            "eth_getStorageAt", contract.value, hex(interfaces.IMPLEMENTATION_SLOT), "latest"
        )
        value = quantity(answer)
        return EvmAddress(f"0x{value:040x}") if value else None

    async def _holds_role(self, contract: EvmAddress, role: bytes, signer: EvmAddress) -> bool:
        (held,) = await self._rpc.call(contract.value, interfaces.HAS_ROLE, role, signer.value)
        return bool(held)
