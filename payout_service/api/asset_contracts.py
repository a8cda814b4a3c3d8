"""The lifecycle contracts that answers need: how to write an amount of the asset's payment token."""

from uuid import UUID

from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import LifecycleContract


class AssetContracts:
    """For one answer: each asset's contract is read once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: dict[UUID, LifecycleContract] = {}

    async def of(self, asset_id: UUID) -> LifecycleContract:
        """The contract of an asset that something here refers to, so it must exist."""
        if asset_id not in self._found:
            async with self._engine.unit_of_work() as work:
                contract = await work.lifecycle.get(asset_id)
            if contract is None:
                raise RuntimeError(f"asset {asset_id} is referred to and does not exist")
            self._found[asset_id] = contract
        return self._found[asset_id]
