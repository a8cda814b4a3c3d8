"""Encodes calls to the asset and the lifecycle contract, and recognises them in transactions. Uses no network."""

from typing import Any

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from libs.evm import interfaces
from libs.evm.abi import Function, UndecodableError
from payout_service.application.ports.lifecycle_contract import CallKind, RecognisedCall
from payout_service.domain.settlement import Execution, ExecutionKind
from payout_service.domain.transaction import ContractCall

_OTHER = RecognisedCall(CallKind.OTHER)


class EvmCalls:
    """Implements a part of the port `LifecycleContractPort`: calls made and recognised."""

    def pay_batch(self, contract: EvmAddress, token: EvmAddress, execution: Execution) -> ContractCall:
        return ContractCall(contract, _execution_data(token, execution))

    def sweep(self, contract: EvmAddress, to: EvmAddress, amount_base_units: BaseUnits) -> ContractCall:
        return ContractCall(contract, interfaces.TRANSFER_PAYMENT_TOKEN.encode(to.value, amount_base_units))

    def set_paused(self, contract: EvmAddress, paused: bool) -> ContractCall:
        return ContractCall(contract, (interfaces.PAUSE if paused else interfaces.UNPAUSE).encode())

    def recognise(self, call: ContractCall) -> RecognisedCall:
        """What cannot be decoded is OTHER, and so is the creation of a contract."""
        if call.to is None:
            return _OTHER
        try:
            return _recognised(call.data)
        except UndecodableError:
            return _OTHER


def _execution_data(token: EvmAddress, execution: Execution) -> bytes:
    holders = list(execution.holders)
    match execution.kind:
        case ExecutionKind.AMOUNT_SNAPSHOT:
            return interfaces.EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES.encode(
                token.value, execution.reference_id, holders, execution.total_base_units
            )
        case ExecutionKind.DISTRIBUTION:
            return interfaces.EXECUTE_DISTRIBUTION_BY_ADDRESSES.encode(
                token.value, execution.reference_id, holders
            )
        case ExecutionKind.CASH_OUT:
            return interfaces.EXECUTE_BOND_CASH_OUT_BY_ADDRESSES.encode(token.value, holders)


def _recognised(data: bytes) -> RecognisedCall:
    """Returns the decoded call. Raises UndecodableError for arguments that do not fit the function."""
    match data[:4]:
        case interfaces.TAKE_SNAPSHOT.selector:
            return RecognisedCall(CallKind.TAKE_SNAPSHOT)
        case interfaces.TRIGGER_SCHEDULED_TASKS.selector:
            return RecognisedCall(CallKind.TRIGGER_SNAPSHOTS)
        case interfaces.PAUSE.selector | interfaces.UNPAUSE.selector:
            return RecognisedCall(CallKind.SET_PAUSED)
        case interfaces.TRANSFER_PAYMENT_TOKEN.selector:
            to, amount = _arguments(interfaces.TRANSFER_PAYMENT_TOKEN, data)
            return RecognisedCall(CallKind.SWEEP, sweep_to=to, sweep_base_units=amount)
    execution = _recognised_execution(data)
    return RecognisedCall(CallKind.PAY_BATCH, execution) if execution else _OTHER


def _recognised_execution(data: bytes) -> Execution | None:
    match data[:4]:
        case interfaces.EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES.selector:
            _, snapshot_id, holders, total = _arguments(interfaces.EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES, data)
            return Execution(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, total, tuple(holders))
        case interfaces.EXECUTE_DISTRIBUTION_BY_ADDRESSES.selector:
            _, action_id, holders = _arguments(interfaces.EXECUTE_DISTRIBUTION_BY_ADDRESSES, data)
            return Execution(ExecutionKind.DISTRIBUTION, action_id, BaseUnits(0), tuple(holders))
        case interfaces.EXECUTE_BOND_CASH_OUT_BY_ADDRESSES.selector:
            _, holders = _arguments(interfaces.EXECUTE_BOND_CASH_OUT_BY_ADDRESSES, data)
            return Execution(ExecutionKind.CASH_OUT, 0, BaseUnits(0), tuple(holders))
    return None


def _arguments(function: Function, data: bytes) -> tuple[Any, ...]:
    """Returns the arguments in a call's data. Raises UndecodableError."""
    return Function(function.name, (), function.inputs).decode(data[4:])
