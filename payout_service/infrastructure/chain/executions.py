"""Reads what the lifecycle contract has done: executions, outgoing transfers, receipts, paid flags."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress
from libs.evm import interfaces
from libs.evm.abi import Event, UndecodableError
from libs.evm.rpc import Log, quantity
from payout_service.application.ports.lifecycle_contract import ReceiptEvidence, SeenExecution
from payout_service.domain.burns import BurnForm, BurnLog, burned_tokens
from payout_service.domain.settlement import Execution, ExecutionEvent, ExecutionKind, strip_padding
from payout_service.infrastructure.chain.logs import hex_of, is_of, transfers_of
from payout_service.infrastructure.chain.reader import EvmReader

_NOBODY = "0x" + "0" * 40
_EVENTS = {
    event.topic: event
    for event in (
        interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED,
        interfaces.DISTRIBUTION_BY_ADDRESSES_EXECUTED,
        interfaces.CASH_OUT_BY_ADDRESSES_EXECUTED,
    )
}
# docs/facts-contracts.md#paid-flags. A cash-out has no flag.
_PAID_FLAG_OFFSETS = {
    ExecutionKind.AMOUNT_SNAPSHOT: interfaces.PAID_FLAG_SNAPSHOTS_OFFSET,
    ExecutionKind.DISTRIBUTION: interfaces.PAID_FLAG_DISTRIBUTIONS_OFFSET,
}


class EvmExecutions(EvmReader):
    """Implements a part of the port `LifecycleContractPort`: what was executed."""

    async def executions(
        self, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> list[SeenExecution]:
        """Raises LogsRefusedError where the node refuses the logs of a block."""
        any_of_them = [hex_of(topic) for topic in _EVENTS]
        return seen_executions(await self._logs(contract.value, [any_of_them], from_block, to_block))

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress, token: EvmAddress
    ) -> ReceiptEvidence:
        logs = await self._receipt_logs(transaction_hash)
        event = None
        for log in logs:
            if log.address == contract.value and log.topics and log.topics[0] in _EVENTS:
                event = execution_event(log)
        is_cash_out = event is not None and event.execution.kind is ExecutionKind.CASH_OUT
        return ReceiptEvidence(
            event=event,
            transferred=_transferred(logs, payment_token, contract),
            redeemed=burned_tokens(_burn_logs(logs, token)) if is_cash_out else {},
        )

    async def paid_flags(
        self,
        contract: EvmAddress,
        kind: ExecutionKind,
        reference_id: int,
        holders: Sequence[HolderAddress],
        block_number: BlockNumber,
    ) -> dict[HolderAddress, bool]:
        if kind is ExecutionKind.CASH_OUT:
            return dict.fromkeys(holders, False)
        base = interfaces.PAID_FLAG_BASE + _PAID_FLAG_OFFSETS[kind]
        of_reference = keccak(encode(["uint256", "uint256"], [reference_id, base]))
        slots = [hex_of(keccak(encode(["address", "bytes32"], [holder, of_reference]))) for holder in holders]
        answers = await self._rpc.request_many(
            "eth_getStorageAt", [(contract.value, slot, hex(block_number)) for slot in slots]
        )
        return {holder: quantity(answer) != 0 for holder, answer in zip(holders, answers, strict=True)}


def seen_executions(logs: Iterable[Log]) -> list[SeenExecution]:
    """Returns the executions by addresses among logs. A log of another layout proves nothing and is left out."""
    decoded = ((log, execution_event(log)) for log in logs if log.topics and log.topics[0] in _EVENTS)
    return [
        SeenExecution(log.transaction_hash, log.block_number, event) for log, event in decoded if event is not None
    ]


def execution_event(log: Log) -> ExecutionEvent | None:
    """Returns an execution's event. None for another layout: it proves nothing, so payees are disputed."""
    event = _EVENTS[log.topics[0]]
    try:
        *call, failed, succeeded, paid_amounts = event.decode(log.topics, log.data)
    except UndecodableError:
        return None
    failed_holders, paid = strip_padding(failed, succeeded, paid_amounts)
    return ExecutionEvent(_execution(event, call), failed_holders, paid)


def _execution(event: Event, call: Sequence[Any]) -> Execution:
    """Returns what the event repeats of its call."""
    if event is interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED:
        snapshot_id, holders, total = call
        return Execution(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, total, holders)
    if event is interfaces.DISTRIBUTION_BY_ADDRESSES_EXECUTED:
        action_id, holders = call
        return Execution(ExecutionKind.DISTRIBUTION, action_id, BaseUnits(0), holders)
    (holders,) = call
    return Execution(ExecutionKind.CASH_OUT, 0, BaseUnits(0), holders)


def _transferred(
    logs: Sequence[Log], payment_token: EvmAddress, contract: EvmAddress
) -> dict[HolderAddress, BaseUnits]:
    """Returns the payment tokens that left the contract, by receiver."""
    sums: Counter[HolderAddress] = Counter()
    for sender, receiver, amount in transfers_of(logs, payment_token):
        if sender == contract.value:
            sums[HolderAddress(receiver)] += amount
    return {receiver: BaseUnits(amount) for receiver, amount in sums.items()}


def _burn_logs(logs: Sequence[Log], token: EvmAddress) -> Iterator[BurnLog]:
    """Returns the asset's logs of tokens that were redeemed or sent to nobody. Other layouts prove nothing."""
    for log in logs:
        if log.address != token.value or not log.topics:
            continue
        with suppress(UndecodableError):
            if is_of(log, interfaces.REDEEMED_BY_PARTITION):
                _, _, holder, amount, *_ = interfaces.REDEEMED_BY_PARTITION.decode(log.topics, log.data)
                yield BurnLog(BurnForm.REDEEMED_BY_PARTITION, holder, amount)
            elif is_of(log, interfaces.TRANSFER_BY_PARTITION):
                _, _, sender, receiver, amount, *_ = interfaces.TRANSFER_BY_PARTITION.decode(log.topics, log.data)
                if receiver == _NOBODY:
                    yield BurnLog(BurnForm.TRANSFER_BY_PARTITION, sender, amount)
            elif is_of(log, interfaces.TRANSFER):
                sender, receiver, amount = interfaces.TRANSFER.decode(log.topics, log.data)
                if receiver == _NOBODY and sender != _NOBODY:
                    yield BurnLog(BurnForm.TRANSFER, sender, amount)
