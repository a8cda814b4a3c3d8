"""Registers an asset whose import was accepted, and has its lifecycle contract deployed or checked."""

from dataclasses import dataclass
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.events import IncomingEvent
from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import LifecycleContract, LifecycleState


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAssetCommand:
    """The content of the event. `lifecycle_contract` is None when one must be deployed."""

    asset_id: UUID
    chain_id: int
    token: EvmAddress
    payment_token: EvmAddress
    lifecycle_contract: EvmAddress | None
    payment_token_symbol: str
    payment_token_decimals: int


async def register_asset(engine: Engine, command: RegisterAssetCommand, event: IncomingEvent) -> None:
    """Stores the asset's lifecycle contract once, to be deployed or checked."""
    async with engine.unit_of_work() as work:
        if not await work.record_incoming(event):
            return
        now = engine.now()
        state = LifecycleState.NOT_READY if command.lifecycle_contract else LifecycleState.DEPLOYING
        is_elsewhere = command.chain_id != engine.chain_id
        contract = LifecycleContract(
            asset_id=command.asset_id,
            chain_id=command.chain_id,
            token=command.token,
            payment_token=command.payment_token,
            payment_token_symbol=command.payment_token_symbol,
            payment_token_decimals=command.payment_token_decimals,
            create_time=now,
            update_time=now,
            address=command.lifecycle_contract,
            state=LifecycleState.FAILED if is_elsewhere else state,
            failure_reason=f"the asset is on chain {command.chain_id}, this service on {engine.chain_id}"
            if is_elsewhere
            else "",
        )
        await work.lifecycle.add(contract)
        await work.commit()
    engine.nudge()
