"""Answers questions about tokens, listeners, events seen and holdings, without changing anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chain_sync_service.application.administer import listener_not_found, not_followed
from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.ports import ChainLook, TokenReader, TokenUnreadableError, UnitOfWorkFactory
from chain_sync_service.application.source import Source, StateUnavailableError
from chain_sync_service.domain.facts import FactKind, SeenFact
from chain_sync_service.domain.holdings import Holding
from chain_sync_service.domain.listener import Listener
from chain_sync_service.domain.tokens import PaymentTokenDescription, TokenDescription
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.clock import Clock
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A listener with the last look at the chain, and how many of its holdings must still be read."""

    listener: Listener
    look: ChainLook
    unread_count: int
    source: str
    now: datetime

    @property
    def last_error(self) -> str:
        """The problem at the last look, with this listener or with the chain as a whole."""
        return self.listener.last_error or self.look.error

    @property
    def discrepancy(self) -> str:
        """How holdings and supply still differ after everything was read again; empty when they agree."""
        gap = self.listener.supply_gap_base_units
        return f"HOLDINGS_DO_NOT_SUM_TO_SUPPLY: {gap} base units are missing" if gap else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactPage:
    """A page of facts, each with its place in the list, and how far the listener has read."""

    facts: list[tuple[SeenFact, tuple[int, int]]]
    start_block: BlockNumber
    position_block: BlockNumber | None


@dataclass(frozen=True, slots=True)
class HoldingsAtBlock:
    """Holdings at a block. The supply is None for a token that reports none."""

    block_hash: str
    supply: int | None
    holdings: list[Holding]


class Queries:
    """Answers questions about tokens, listeners, facts and holdings. Changes nothing."""

    def __init__(
        self,
        source: Source,
        tokens: TokenReader,
        gate: ChainGate,
        new_unit_of_work: UnitOfWorkFactory,
        clock: Clock,
    ) -> None:
        self._source = source
        self._tokens = tokens
        self._gate = gate
        self._new_unit_of_work = new_unit_of_work
        self._clock = clock

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        """Describes a security token.

        Raises AppError NOT_A_CONTRACT, NOT_A_SECURITY_TOKEN or CHAIN_UNAVAILABLE.
        """
        await self._gate.verify()
        return await self._tokens.describe_token(token)

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        """Describes a payment token. Raises AppError NOT_A_CONTRACT, NOT_A_PAYMENT_TOKEN or CHAIN_UNAVAILABLE."""
        await self._gate.verify()
        return await self._tokens.describe_payment_token(token)

    async def sync_status(self, asset_id: UUID) -> ListenerView:
        """Returns how far an asset is followed.

        Raises AppError ASSET_NOT_YET_KNOWN: the asset may still be on its way to us.
        """
        view = await self._view(asset_id)
        if view is None:
            raise not_followed(asset_id)
        return view

    async def get_listener(self, asset_id: UUID) -> ListenerView:
        """Returns one listener. Raises AppError LISTENER_NOT_FOUND."""
        view = await self._view(asset_id)
        if view is None:
            raise listener_not_found(asset_id)
        return view

    async def list_listeners(self, after: UUID | None, limit: int) -> list[ListenerView]:
        """Returns at most `limit` listeners behind an asset's id, ordered by that id."""
        async with self._new_unit_of_work() as uow:
            listeners = await uow.listeners.page(after, limit)
            look = await uow.chain.last_look()
        return [self._seen(listener, look, 0) for listener in listeners]

    async def list_facts(
        self,
        asset_id: UUID,
        *,
        kinds: Sequence[FactKind],
        from_block: BlockNumber,
        to_block: BlockNumber | None,
        after: tuple[int, int] | None,
        limit: int,
    ) -> FactPage:
        """Returns a page of what was seen of an asset. Raises AppError ASSET_NOT_YET_KNOWN."""
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.find(asset_id)
            if listener is None:
                raise not_followed(asset_id)
            facts = await uow.facts.page(
                asset_id, kinds=kinds, from_block=from_block, to_block=to_block, after=after, limit=limit
            )
        position = listener.position.number if listener.position else None
        return FactPage(facts=facts, start_block=listener.start_block, position_block=position)

    async def read_holdings(
        self, asset_id: UUID, holders: Sequence[str], block_number: BlockNumber
    ) -> HoldingsAtBlock:
        """Returns what holders have at a block.

        Raises AppError ASSET_NOT_YET_KNOWN, INVALID_BLOCK for a block that does not exist yet, CHAIN_UNAVAILABLE.
        """
        await self._gate.ensure_verified()
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.find(asset_id)
        if listener is None:
            raise not_followed(asset_id)
        token = listener.contracts.token
        (before,) = await self._source.blocks([block_number])
        if before is None:
            raise AppError(
                Reason.INVALID_BLOCK, f"the chain has no block {block_number} yet", field="block_number"
            )
        try:
            (supply,) = await self._tokens.supplies([token], block_number)
            holdings = await self._tokens.holdings(token, holders, block_number, with_parts=holders)
        except (StateUnavailableError, TokenUnreadableError) as error:
            raise AppError(Reason.CHAIN_UNAVAILABLE, str(error)) from error
        (after,) = await self._source.blocks([block_number])
        if after != before:
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"block {block_number} left the chain while it was read")
        return HoldingsAtBlock(before.hash, supply, holdings)

    async def _view(self, asset_id: UUID) -> ListenerView | None:
        async with self._new_unit_of_work() as uow:
            listener = await uow.listeners.find(asset_id)
            look = await uow.chain.last_look()
            unread_count = await uow.holdings.count_stale(asset_id) if listener else 0
        return self._seen(listener, look, unread_count) if listener else None

    def _seen(self, listener: Listener, look: ChainLook, unread_count: int) -> ListenerView:
        return ListenerView(listener, look, unread_count, self._source.kind, self._clock.now())
