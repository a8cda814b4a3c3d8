"""Reads: what tokens are, and how far they are followed."""

from dataclasses import dataclass
from uuid import UUID

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.ports import ChainLook, TokenReader, UnitOfWorkFactory
from chain_sync_service.domain.followed_token import FollowedToken
from chain_sync_service.domain.tokens import PaymentTokenDescription, TokenDescription
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """A followed token, and the last look at the chain."""

    token: FollowedToken
    look: ChainLook

    @property
    def last_error(self) -> str:
        """What went wrong at the last look, with this token or with the chain as a whole."""
        return self.token.last_error or self.look.error


class Queries:
    """Changes nothing."""

    def __init__(self, tokens: TokenReader, gate: ChainGate, new_unit_of_work: UnitOfWorkFactory) -> None:
        self._tokens = tokens
        self._gate = gate
        self._new_unit_of_work = new_unit_of_work

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        """Raises AppError NOT_A_CONTRACT, NOT_A_SECURITY_TOKEN or CHAIN_UNAVAILABLE."""
        await self._gate.verify()
        return await self._tokens.describe_token(token)

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        """Raises AppError NOT_A_CONTRACT, NOT_A_PAYMENT_TOKEN or CHAIN_UNAVAILABLE."""
        await self._gate.verify()
        return await self._tokens.describe_payment_token(token)

    async def sync_status(self, asset_id: UUID) -> SyncStatus:
        """Raises AppError ASSET_NOT_YET_KNOWN: the asset may be on its way to us."""
        async with self._new_unit_of_work() as uow:
            token = await uow.tokens.find(asset_id)
            look = await uow.chain.last_look()
        if token is None:
            raise AppError(
                Reason.ASSET_NOT_YET_KNOWN,
                f"asset {asset_id} is not followed (yet): it is once its import is complete",
                field="asset",
            )
        return SyncStatus(token, look)
