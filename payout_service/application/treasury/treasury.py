"""Shows how much money a lifecycle contract holds, and to whom it is promised."""

from dataclasses import dataclass
from uuid import UUID

from libs.chain.quantities import BaseUnits
from libs.errors import asset_not_yet_known
from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.treasury import treasury_key

_MOST_COMMITMENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TreasuryView:
    """A treasury in base units of the payment token.

    `commitments` are resource names and what is promised to them, largest first.
    """

    contract: LifecycleContract
    balance_base_units: BaseUnits
    committed_base_units: BaseUnits
    commitments: list[tuple[str, BaseUnits]]

    @property
    def available_base_units(self) -> BaseUnits:
        """The money that may be promised or swept."""
        return BaseUnits(max(0, self.balance_base_units - self.committed_base_units))


async def get_treasury(engine: Engine, asset_id: UUID) -> TreasuryView:
    """Returns the treasury of an asset. Raises AppError ASSET_NOT_YET_KNOWN or CHAIN_UNAVAILABLE."""
    contract = await known_contract(engine, asset_id)
    if contract.address is None:
        return TreasuryView(
            contract=contract, balance_base_units=BaseUnits(0), committed_base_units=BaseUnits(0), commitments=[]
        )
    key = treasury_key(contract)
    async with engine.unit_of_work() as work:
        owners = await work.treasury.commitments(key, _MOST_COMMITMENTS)
        names = [
            ("payouts" if await work.payouts.get(owner) else "sweeps", owner, amount) for owner, amount in owners
        ]
    balance, committed = await balance_and_committed(engine, contract)
    return TreasuryView(
        contract=contract,
        balance_base_units=balance,
        committed_base_units=committed,
        commitments=[(f"{kind}/{owner}", amount) for kind, owner, amount in names],
    )


async def balance_and_committed(engine: Engine, contract: LifecycleContract) -> tuple[BaseUnits, BaseUnits]:
    """Returns a contract's balance at the newest block and how much is promised; 0 before deployment."""
    if contract.address is None:
        return BaseUnits(0), BaseUnits(0)
    key = treasury_key(contract)
    # Commitments first: were they read later, one that was paid and reduced in between would count twice.
    async with engine.unit_of_work() as work:
        committed = await work.treasury.committed(key)
    balance = await engine.payment_token.payment_token_balance(key.payment_token, key.lifecycle_contract)
    return balance, committed


async def known_contract(engine: Engine, asset_id: UUID) -> LifecycleContract:
    """Returns an asset's lifecycle contract. Raises AppError ASSET_NOT_YET_KNOWN naming `asset`."""
    async with engine.unit_of_work() as work:
        contract = await work.lifecycle.get(asset_id)
    if contract is None:
        raise asset_not_yet_known(f"asset {asset_id} is not known to payout_service yet")
    return contract
