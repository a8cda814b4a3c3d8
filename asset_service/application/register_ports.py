"""The ports of the use cases about registers of holders. Each method lists its errors.

Every method may also raise AppError DATABASE_UNAVAILABLE's cause or, for peers, PEER_UNAVAILABLE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from asset_service.domain.register import AppliedChanges, BalanceChanges, Holding, Register
from asset_service.domain.register_check import ChainHoldings, Discrepancy, Finding, RegisterSample


class Registers(Protocol):
    """Stores the registers of holders within a unit of work."""

    async def add(self, register: Register) -> None:
        """Adds the register of a new asset."""
        ...

    async def get(self, asset_id: UUID) -> Register | None:
        """Returns the register without locking it."""
        ...

    async def lock(self, asset_id: UUID) -> Register | None:
        """Returns the register, locked until the end of the unit of work."""
        ...

    async def apply(self, asset_id: UUID, changes: BalanceChanges, now: datetime) -> AppliedChanges:
        """Sets holdings, or adds the deltas of changes without holdings, all or none, with a row of history for
        each holder who then has another balance or another sum of parts. Raises NegativeBalanceError.
        """
        ...

    async def save(self, register: Register) -> None:
        """Writes the totals and the position of a locked register."""
        ...

    async def claim_check(self, checked_before: datetime, now: datetime) -> UUID | None:
        """The active asset with a complete register whose last check is the longest ago, and before a time; its
        check is now. One that another transaction has locked is passed over.
        """
        ...


class Discrepancies(Protocol):
    """Stores the differences between registers and the chain. The unit of work has locked the register."""

    async def open_of(self, asset_id: UUID) -> list[Discrepancy]:
        """Returns the unresolved differences of an asset, oldest first."""
        ...

    async def add(self, asset_id: UUID, findings: Sequence[Finding], now: datetime) -> list[Discrepancy]:
        """Records differences that are not on record yet, and puts one event about them into the outbox."""
        ...

    async def seen_again(self, findings: Mapping[int, Finding]) -> None:
        """Writes the new values of open differences, given by id, and begins another round of reading them."""
        ...

    async def resolve(self, discrepancy_ids: Sequence[int], now: datetime) -> None:
        """Marks open differences as resolved."""
        ...

    async def assets_to_refresh(self, limit: int) -> list[UUID]:
        """Returns at most `limit` assets with an open difference that was not yet requested in this round."""
        ...

    async def to_refresh(self, asset_id: UUID, limit: int) -> list[Discrepancy]:
        """Returns at most `limit` open differences of an asset not yet requested in this round, oldest first."""
        ...

    async def refresh_requested(self, discrepancies: Sequence[Discrepancy], now: datetime) -> None:
        """Notes that the holdings of these differences were requested in their round.

        Those in another round stay as they are.
        """
        ...


class RefreshScope(Enum):
    """Which holdings to read again."""

    HOLDERS = "HOLDERS"
    ALL_KNOWN = "ALL_KNOWN"
    LIST_AGAIN = "LIST_AGAIN"


class ChainHoldingsReader(Protocol):
    """Reads holdings from the chain and has them published again, as chain_sync_service does."""

    async def read_holdings(self, asset_id: UUID, holders: Sequence[str], block_number: int) -> ChainHoldings:
        """At most 1,000 holders at a block. Raises AppError: ASSET_NOT_YET_KNOWN, CHAIN_UNAVAILABLE (also when
        the node has no state of that block), INVALID_BLOCK (it is not followed so far, or not any more).
        """
        ...

    async def refresh_holdings(
        self, request_id: UUID, asset_id: UUID, scope: RefreshScope, holders: Sequence[str]
    ) -> None:
        """Asks for holdings to be read and published again.

        The same request with the same id has no further effect. Raises AppError: ASSET_NOT_YET_KNOWN,
        REQUEST_ID_REUSED.
        """
        ...


class Alarms(Protocol):
    """Tells operators about differences that need a person."""

    def raise_alarm(self, name: str, text: str) -> None:
        """Raises one alarm."""
        ...


class HolderOrder(Enum):
    """The orders in which holders can be listed."""

    ADDRESS = "ADDRESS"
    BALANCE_DESC = "BALANCE_DESC"


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One holder of the register; the address is in lower case."""

    address: str
    holding: Holding
    changed_at_block: int


@dataclass(frozen=True, slots=True)
class HolderKey:
    """The place of a holder in either order."""

    address: str
    balance_base_units: int


@dataclass(frozen=True, slots=True)
class HolderPage:
    """A request for holders: at most `limit` behind a place, with at least a certain balance."""

    order: HolderOrder
    min_balance_base_units: int
    after: HolderKey | None
    limit: int


@dataclass(frozen=True, slots=True)
class HolderRows:
    """A page of holders and their register, as of one moment."""

    register: Register
    rows: tuple[HolderRow, ...]


@dataclass(frozen=True, slots=True)
class HolderChangeRow:
    """One change of one holder's holding; the address in lower case."""

    change_id: int
    address: str
    delta_base_units: int
    restricted_delta_base_units: int
    balance_base_units: int
    restricted_base_units: int
    block_number: int
    create_time: datetime


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How many holders a check looks at: at random, lately changed, with an open discrepancy."""

    random: int
    recent: int
    discrepant: int


class RegisterReader(Protocol):
    """Reads registers.

    Each answer comes from one snapshot of the database; it is None if there is no such asset.
    """

    async def holders(self, asset_id: UUID, page: HolderPage) -> HolderRows | None:
        """Returns a page of holders."""
        ...

    async def holder(self, asset_id: UUID, address: str) -> HolderRows | None:
        """Returns the holder with an address, if there is one."""
        ...

    async def largest_holders(self, asset_id: UUID, limit: int) -> HolderRows | None:
        """Returns at most `limit` holders, those with the largest total holding first."""
        ...

    async def changes(
        self, asset_id: UUID, address: str | None, before_change_id: int | None, limit: int
    ) -> list[HolderChangeRow] | None:
        """Returns at most `limit` changes of one holder or of all, newest first."""
        ...

    async def discrepancies(
        self, asset_id: UUID, before_discrepancy_id: int | None, limit: int, *, unresolved_only: bool
    ) -> list[Discrepancy] | None:
        """Returns at most `limit` discrepancies, newest first."""
        ...

    async def sample(self, asset_id: UUID, size: SampleSize) -> RegisterSample | None:
        """Returns a sample of a register; None while the register is not complete."""
        ...
