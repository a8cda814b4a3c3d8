"""Reads and calls the asset: snapshots, roles, holders, what holders are owed."""

from libs.chain.address import EvmAddress
from libs.chain.quantities import SnapshotId
from libs.evm import interfaces
from payout_service.domain.transaction import ContractCall
from payout_service.infrastructure.chain.entitlements import EvmEntitlements
from payout_service.infrastructure.chain.holders import EvmHolders
from payout_service.infrastructure.chain.logs import is_of


class EvmSecurityToken(EvmHolders, EvmEntitlements):
    """Implements the port `SecurityToken`."""

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        return ContractCall(token, interfaces.TAKE_SNAPSHOT.encode())

    def trigger_snapshots(self, token: EvmAddress) -> ContractCall:
        return ContractCall(token, interfaces.TRIGGER_SCHEDULED_TASKS.encode())

    async def holds_redeemer_role(self, token: EvmAddress, contract: EvmAddress) -> bool:
        return await self._holds_any_role(token.value, interfaces.MATURITY_REDEEMER_ROLES, contract.value)

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        return await self._holds_any_role(token.value, interfaces.SNAPSHOT_ROLES, signer.value)

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> SnapshotId | None:
        for log in await self._receipt_logs(transaction_hash):
            if log.address == token.value and is_of(log, interfaces.SNAPSHOT_TAKEN):
                _, snapshot_id = interfaces.SNAPSHOT_TAKEN.decode(log.topics, log.data)
                return SnapshotId(snapshot_id)
        return None
