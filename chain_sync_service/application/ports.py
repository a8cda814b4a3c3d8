"""What the use cases need from outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from chain_sync_service.domain.blocks import BlockRef, Transfer, UndecodableLog, WindowLogs
from chain_sync_service.domain.followed_token import FollowedToken, HolderBalancesChanged
from chain_sync_service.domain.holder_changes import HolderChange
from chain_sync_service.domain.tokens import PaymentTokenDescription, TokenDescription
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.messaging.events import IncomingEvent


class WindowRefusedError(Exception):
    """The node answered a request for logs with an error: too many blocks, too many logs, or nonsense."""


class ChainChangedError(AppError):
    """The node serves another chain than the configured or the recorded one. Nothing moves until it is right."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CHAIN_UNAVAILABLE, f"CHAIN_CHANGED: {message}")


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """Which chain: EIP-155 id and hash of the first block."""

    chain_id: int
    genesis_hash: str


@dataclass(frozen=True, slots=True)
class ChainLook:
    """What the last look at the node showed: its newest block (None before the first), and what went wrong."""

    head_block: int | None
    error: str


class ChainReader(Protocol):
    """Reads the chain. Every method raises AppError CHAIN_UNAVAILABLE when the node does not answer."""

    async def chain_id(self) -> int:
        """EIP-155 id that the node tells."""
        ...

    async def identity(self) -> ChainIdentity:
        """Which chain the node serves."""
        ...

    async def head(self) -> BlockRef:
        """The newest block."""
        ...

    async def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        """The canonical blocks of these numbers, in order; None where the node has none."""
        ...

    async def transfers(self, token: EvmAddress, from_block: int, to_block: int) -> WindowLogs:
        """All Transfer logs of a token, both ends included. Also raises WindowRefusedError."""
        ...


class TokenReader(Protocol):
    """Asks tokens what they are. Every method raises AppError CHAIN_UNAVAILABLE."""

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        """Also raises AppError NOT_A_CONTRACT, NOT_A_SECURITY_TOKEN."""
        ...

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        """Also raises AppError NOT_A_CONTRACT, NOT_A_PAYMENT_TOKEN."""
        ...


class ChainRecord(Protocol):
    """What is recorded of the chain that this database follows."""

    async def record_identity(self, identity: ChainIdentity) -> ChainIdentity:
        """Records it unless a chain was recorded before; returns what is recorded."""
        ...

    async def record_look(self, look: ChainLook, now: datetime) -> None:
        """Records the last look."""
        ...

    async def last_look(self) -> ChainLook:
        """The last look of any replica."""
        ...


class FollowedTokens(Protocol):
    """The tokens that are followed."""

    async def add(self, token: FollowedToken) -> FollowedToken:
        """Adds a token unless its asset has one already; returns the asset's token."""
        ...

    async def find(self, asset_id: UUID) -> FollowedToken | None:
        """The token of an asset; None when it is not followed."""
        ...

    async def claim_due(self, *, last_block: int, now: datetime, lease_until: datetime) -> FollowedToken | None:
        """The longest due token that is not yet at `last_block`, put off for others until `lease_until`.

        Tokens that others are claiming at this moment are skipped. The lease only saves double work; `lock`
        and the version are what keeps two workers from doubling an effect.
        """
        ...

    async def lock(self, asset_id: UUID) -> FollowedToken | None:
        """The token as it is now, locked until the transaction ends."""
        ...

    async def save(self, token: FollowedToken) -> None:
        """Writes a locked token."""
        ...


class TransferHistory(Protocol):
    """What was found in the blocks that were read: transfers, odd logs, ends of windows."""

    async def add_transfers(self, asset_id: UUID, transfers: Sequence[Transfer]) -> list[Transfer]:
        """Records transfers; returns those that were not recorded before (same transaction and log index)."""
        ...

    async def add_undecodable(self, asset_id: UUID, logs: Sequence[UndecodableLog], now: datetime) -> None:
        """Records logs as they came; those recorded before are left alone."""
        ...

    async def add_window_end(self, asset_id: UUID, end: BlockRef, keep: int) -> None:
        """Records the end of a window, and forgets all but the newest `keep`."""
        ...

    async def window_ends(self, asset_id: UUID) -> list[BlockRef]:
        """Ends of the newest windows, newest first."""
        ...

    async def take_back(self, asset_id: UUID, ancestor: BlockRef) -> list[HolderChange]:
        """Deletes what was found behind `ancestor`; returns the inverse net changes, dated at `ancestor`."""
        ...


class UnitOfWork(Protocol):
    """One transaction; rolled back unless committed."""

    @property
    def chain(self) -> ChainRecord:
        """The chain's record."""
        ...

    @property
    def tokens(self) -> FollowedTokens:
        """The followed tokens."""
        ...

    @property
    def history(self) -> TransferHistory:
        """What was found."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def publish(self, events: Sequence[HolderBalancesChanged]) -> None:
        """Puts events into the outbox with the commit."""
        ...

    async def record_incoming(self, event: IncomingEvent) -> bool:
        """Records an event as processed by this transaction; False when it was processed before."""
        ...

    async def commit(self) -> None:
        """Makes everything durable at once."""
        ...


UnitOfWorkFactory = Callable[[], UnitOfWork]


class Alarms(Protocol):
    """Tells operators of what needs a person."""

    def raise_alarm(self, name: str, text: str) -> None:
        """Counts and logs a named alarm."""
        ...
