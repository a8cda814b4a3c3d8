"""The port that stores the journal of transactions: intents, attempts and nonce lanes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from payout_service.domain.transaction import ForeignTransaction, NonceLane, TransactionIntent
from payout_service.domain.waits import Wait


class JournalRepository(Protocol):
    """Stores intents, attempts and nonce lanes."""

    async def add(self, intent: TransactionIntent) -> bool:
        """Stores a new intent. Returns False when one with its key exists."""
        ...

    async def find(self, key: str) -> TransactionIntent | None:
        """Returns the intent with this key."""
        ...

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        """Returns an intent, its row locked until the end of the transaction. It must exist."""
        ...

    async def save(self, intent: TransactionIntent) -> None:
        """Stores a locked intent with its attempts."""
        ...

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Returns intents with a nonce whose outcome is open, in the order of their nonces."""
        ...

    async def created(self, chain_id: int, signer: EvmAddress, *, limit: int) -> list[TransactionIntent]:
        """Returns intents without a nonce: those without a problem first, then by age."""
        ...

    async def next_final(
        self, chain_id: int, signer: EvmAddress, from_nonce: Nonce, *, limit: int
    ) -> list[TransactionIntent]:
        """Returns final intents with this nonce or a higher one, in the order of their nonces."""
        ...

    async def lost(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """Returns intents in state NONCE_LOST whose nonce no ForeignTransaction accounts for yet, by nonce."""
        ...

    async def known_hashes(self, transaction_hashes: Sequence[str]) -> set[str]:
        """Returns those of the hashes that are attempts of the journal or transactions that it adopted.

        Also foreign ones that were matched to a payout.
        """
        ...

    async def queued_count(self, chain_id: int, signer: EvmAddress) -> int:
        """Returns the number of intents without a nonce."""
        ...

    async def add_foreign(self, transactions: Sequence[ForeignTransaction]) -> None:
        """Stores what the signer's unknown transactions were, once per nonce."""
        ...

    async def foreign(self, chain_id: int, signer: EvmAddress, find_time: datetime) -> list[ForeignTransaction]:
        """Returns the foreign transactions that were stored at this time, in the order of their nonces."""
        ...

    async def note_problem(self, intent_id: UUID, problem: Wait) -> None:
        """Records why an intent without a nonce makes no progress. Does nothing when it has a nonce by now."""
        ...

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: Wait) -> None:
        """Records why no intent of the lane gets a nonce."""
        ...

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """Returns a signer's lane without locking it."""
        ...

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """Returns a signer's lane, its row locked until the end of the transaction."""
        ...

    async def add_lane(self, lane: NonceLane) -> None:
        """Stores a new lane; does nothing when another replica just did."""
        ...

    async def save_lane(self, lane: NonceLane) -> None:
        """Stores a locked lane."""
        ...
