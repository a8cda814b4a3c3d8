"""Checks that the node serves the configured chain, and the same chain that this database has followed so far."""

from chain_sync_service.application.ports import UnitOfWorkFactory
from chain_sync_service.application.source import ChainChangedError, ChainIdentity, Source

CHAIN_ID_SETTING = "CHAIN_SYNC_SERVICE_CHAIN_ID"


def chain_id_mismatch(*, configured: int, told: int) -> str:
    """Returns the error message for a node of another chain. It names the setting."""
    return f"{CHAIN_ID_SETTING} is {configured}, but the node of CHAIN_SYNC_SERVICE_RPC_URL serves chain {told}"


class ChainGate:
    """Verifies the chain before it is trusted: at first contact, after a doubt, before anything is taken back."""

    def __init__(self, source: Source, new_unit_of_work: UnitOfWorkFactory, chain_id: int) -> None:
        self._source = source
        self._new_unit_of_work = new_unit_of_work
        self._chain_id = chain_id
        self._is_verified = False

    def doubt(self) -> None:
        """Has the chain verified again, because something odd suggests that the node was exchanged."""
        self._is_verified = False

    async def ensure_verified(self) -> None:
        """Verifies the chain unless it was verified since the last doubt. Raises as `verify`."""
        if not self._is_verified:
            await self.verify()

    async def verify(self) -> None:
        """Compares the node's chain with the setting and with the recorded chain. The first contact records it.

        Raises ChainChangedError, or AppError CHAIN_UNAVAILABLE when the node does not answer.
        """
        self._is_verified = False
        told = await self._source.identity()
        if told.chain_id != self._chain_id:
            raise ChainChangedError(chain_id_mismatch(configured=self._chain_id, told=told.chain_id))
        recorded = await self._recorded(told)
        if recorded != told:
            raise ChainChangedError(
                f"the node's chain {told.chain_id} begins with block {told.genesis_hash}; this database follows "
                f"chain {recorded.chain_id}, which begins with {recorded.genesis_hash}"
            )
        self._is_verified = True

    async def _recorded(self, told: ChainIdentity) -> ChainIdentity:
        async with self._new_unit_of_work() as uow:
            recorded = await uow.chain.record_identity(told)
            await uow.commit()
        return recorded
