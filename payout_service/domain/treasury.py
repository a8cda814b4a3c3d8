"""Identifies a treasury: the money in one lifecycle contract, in one payment token."""

from dataclasses import dataclass

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.waits import Wait, WaitFor


@dataclass(frozen=True, slots=True)
class TreasuryKey:
    """Identifies a treasury: the money in one lifecycle contract, in one payment token."""

    chain_id: int
    lifecycle_contract: EvmAddress
    payment_token: EvmAddress


def treasury_key(contract: LifecycleContract) -> TreasuryKey:
    """Returns the treasury that pays an asset's holders. The contract must be deployed."""
    if contract.address is None:
        raise RuntimeError(f"asset {contract.asset_id} has no lifecycle contract yet")
    return TreasuryKey(contract.chain_id, contract.address, contract.payment_token)


def money_lacks(key: TreasuryKey, base_units: BaseUnits) -> Wait:
    """Returns the wait for this much more money, without which what is due can be neither promised nor paid."""
    detail = f"{key.lifecycle_contract} needs {base_units} more base units of {key.payment_token}"
    return Wait(WaitFor.INSUFFICIENT_FUNDS, detail)
