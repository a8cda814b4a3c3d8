"""Looks up the lifecycle contracts that an answer needs in order to show amounts of their payment tokens."""

from uuid import UUID

from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import LifecycleContract


class AssetContracts:
    """The contracts that one answer needs. Each asset's contract is read once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: dict[UUID, LifecycleContract] = {}

    async def of(self, asset_id: UUID) -> LifecycleContract:
        """Returns the contract of an asset. It must exist, because something stored here refers to it."""
        if asset_id not in self._found:
            async with self._engine.unit_of_work() as work:
                contract = await work.lifecycle.get(asset_id)
            if contract is None:
                raise RuntimeError(f"asset {asset_id} is referred to and does not exist")
            self._found[asset_id] = contract
        return self._found[asset_id]
