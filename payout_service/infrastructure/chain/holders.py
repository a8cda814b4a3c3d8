"""Reads who holds how much of the asset, at a snapshot and live."""

from collections.abc import Sequence

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, HolderAddress, SnapshotId, TokenUnits
from libs.evm import interfaces
from libs.evm.abi import Function
from payout_service.infrastructure.chain.reader import EvmReader


class EvmHolders(EvmReader):
    """Implements a part of the port `SecurityToken`: holders.

    Balances are free ones, without frozen and locked tokens.
    """

    async def snapshot_totals(
        self, token: EvmAddress, snapshot_id: SnapshotId, block_number: BlockNumber
    ) -> tuple[int, TokenUnits]:
        block = hex(block_number)
        count = interfaces.GET_TOTAL_TOKEN_HOLDERS_AT_SNAPSHOT
        (holders,) = await self._read(token.value, count, snapshot_id, block=block)
        (supply,) = await self._read(token.value, interfaces.TOTAL_SUPPLY_AT_SNAPSHOT, snapshot_id, block=block)
        return int(holders), TokenUnits(supply)

    async def snapshot_page(
        self, token: EvmAddress, snapshot_id: SnapshotId, *, page: int, length: int, block_number: BlockNumber
    ) -> list[tuple[HolderAddress, TokenUnits]]:
        function = interfaces.GET_TOKEN_HOLDERS_AT_SNAPSHOT
        block = hex(block_number)
        holders = await self._page_of_holders(token.value, function, [snapshot_id], page, length, block)
        balances = await self.snapshot_balances(token, snapshot_id, holders, block_number)
        return [(holder, balances[holder]) for holder in holders]

    async def snapshot_balances(
        self,
        token: EvmAddress,
        snapshot_id: SnapshotId,
        holders: Sequence[HolderAddress],
        block_number: BlockNumber,
    ) -> dict[HolderAddress, TokenUnits]:
        arguments = [(snapshot_id, holder) for holder in holders]
        return await self._balances(token, interfaces.BALANCE_OF_AT_SNAPSHOT, holders, arguments, block_number)

    async def live_totals(self, token: EvmAddress, block_number: BlockNumber) -> tuple[int, TokenUnits]:
        block = hex(block_number)
        (holders,) = await self._read(token.value, interfaces.GET_TOTAL_SECURITY_HOLDERS, block=block)
        (supply,) = await self._read(token.value, interfaces.TOTAL_SUPPLY, block=block)
        return int(holders), TokenUnits(supply)

    async def live_page(
        self, token: EvmAddress, *, page: int, length: int, block_number: BlockNumber
    ) -> list[tuple[HolderAddress, TokenUnits]]:
        function = interfaces.GET_SECURITY_HOLDERS
        (holders,) = await self._read(token.value, function, page, length, block=hex(block_number))
        balances = await self.live_balances(token, holders, block_number)
        return [(holder, balances[holder]) for holder in holders]

    async def live_balances(
        self, token: EvmAddress, holders: Sequence[HolderAddress], block_number: BlockNumber
    ) -> dict[HolderAddress, TokenUnits]:
        arguments = [(holder,) for holder in holders]
        return await self._balances(token, interfaces.BALANCE_OF, holders, arguments, block_number)

    async def _balances(
        self,
        token: EvmAddress,
        function: Function,
        holders: Sequence[HolderAddress],
        arguments: Sequence[Sequence[object]],
        block_number: BlockNumber,
    ) -> dict[HolderAddress, TokenUnits]:
        balances = await self._read_each(token.value, function, arguments, hex(block_number))
        return {holder: TokenUnits(balance) for holder, (balance,) in zip(holders, balances, strict=True)}
