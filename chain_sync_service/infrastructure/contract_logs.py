"""Decides what a log means for an asset, from the role of the contract that emitted it."""

from chain_sync_service.domain.facts import ContractRole, LogMeaning, RawLog, SupplyChange
from chain_sync_service.domain.listener import Contracts
from chain_sync_service.infrastructure.log_reading import read_log
from libs.evm import interfaces
from libs.evm.abi import Event, UndecodableError

# Place of the holder among the values of both: (partition, operator, holder, amount, ...).
_HOLDER, _AMOUNT = 2, 3
_SUPPLY_CHANGES = {
    event.topic: event for event in (interfaces.ISSUED_BY_PARTITION, interfaces.REDEEMED_BY_PARTITION)
}


def read_asset_log(contracts: Contracts, log: RawLog) -> LogMeaning | None:
    """Returns what a log tells about the asset; None if nothing.

    A contract in two roles is treated as the token.
    """
    if log.contract == contracts.token.value:
        event = _SUPPLY_CHANGES.get(log.topics[0]) if log.topics else None
        return _supply_change(event, log) if event else read_log(ContractRole.TOKEN, log)
    lifecycle = contracts.lifecycle_contract
    if lifecycle and log.contract == lifecycle.value:
        return read_log(ContractRole.LIFECYCLE_CONTRACT, log)
    return read_log(ContractRole.PAYMENT_TOKEN, log, (lifecycle.value,) if lifecycle else ())


def _supply_change(event: Event, log: RawLog) -> LogMeaning | None:
    """Reads a supply change. A log of another layout explains no transfer, so that the holder is read instead."""
    try:
        values = event.decode(log.topics, log.data)
    except UndecodableError:
        return read_log(ContractRole.TOKEN, log)
    return SupplyChange(log, values[_HOLDER].lower(), values[_AMOUNT])
