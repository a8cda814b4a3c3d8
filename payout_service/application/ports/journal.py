"""The journal of transactions: intents, attempts and nonce lanes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from payout_service.domain.transaction import ForeignTransaction, NonceLane, TransactionIntent
from payout_service.domain.waits import Wait


class JournalRepository(Protocol):
    """Intents, attempts and nonce lanes."""

    async def add(self, intent: TransactionIntent) -> bool:
        """Stores a new intent; False when one with its key exists."""
        ...

    async def find(self, key: str) -> TransactionIntent | None:
        """The intent with this key."""
        ...

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        """An intent, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, intent: TransactionIntent) -> None:
        """Stores a locked intent with its attempts."""
        ...

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Intents with a nonce whose outcome is open, in the order of their nonces."""
        ...

    async def created(self, chain_id: int, signer: EvmAddress, *, limit: int) -> list[TransactionIntent]:
        """Intents without a nonce: those without a problem first, then by age."""
        ...

    async def next_final(
        self, chain_id: int, signer: EvmAddress, from_nonce: Nonce, *, limit: int
    ) -> list[TransactionIntent]:
        """Final intents with this nonce or a higher one, in the order of their nonces."""
        ...

    async def lost(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Intents in state NONCE_LOST whose nonce no ForeignTransaction accounts for yet, by nonce."""
        ...

    async def known_hashes(self, transaction_hashes: Sequence[str]) -> set[str]:
        """Those of the hashes that are attempts of the journal, or transactions that it adopted.

        Also foreign ones that were matched to a payout.
        """
        ...

    async def queued_count(self, chain_id: int, signer: EvmAddress) -> int:
        """Intents without a nonce."""
        ...

    async def add_foreign(self, transactions: Sequence[ForeignTransaction]) -> None:
        """Stores what the signer's unknown transactions were; once per nonce."""
        ...

    async def foreign(self, chain_id: int, signer: EvmAddress, find_time: datetime) -> list[ForeignTransaction]:
        """Those that were stored at this time, in the order of their nonces."""
        ...

    async def note_problem(self, intent_id: UUID, problem: Wait) -> None:
        """Records why an intent without a nonce is not getting on; nothing when it has one by now."""
        ...

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: Wait) -> None:
        """Records why no intent of the lane gets a nonce."""
        ...

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """A signer's lane as it is."""
        ...

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """A signer's lane, its row locked until the end of the transaction."""
        ...

    async def add_lane(self, lane: NonceLane) -> None:
        """Stores a new lane; does nothing when another replica just did."""
        ...

    async def save_lane(self, lane: NonceLane) -> None:
        """Stores a locked lane."""
        ...
