"""What the use cases of the register need from outside. Each method lists the errors it raises.

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
    """The registers of holders, within a unit of work."""

    async def add(self, register: Register) -> None:
        """Adds the register of a new asset."""
        ...

    async def get(self, asset_id: UUID) -> Register | None:
        """The register, unlocked."""
        ...

    async def lock(self, asset_id: UUID) -> Register | None:
        """The register, locked until the end of the unit of work."""
        ...

    async def apply(self, asset_id: UUID, changes: BalanceChanges, now: datetime) -> AppliedChanges:
        """Sets holdings, or adds the deltas of changes without holdings, all or none, with a row of history for
        each holder who then has another balance or another sum of parts. Raises NegativeBalanceError.
        """
        ...

    async def save(self, register: Register) -> None:
        """Writes totals and position of a locked register."""
        ...

    async def claim_check(self, checked_before: datetime, now: datetime) -> UUID | None:
        """The active asset with a complete register whose last check is the longest ago, and before a time; its
        check is now. One that another transaction has locked is passed over.
        """
        ...


class Discrepancies(Protocol):
    """Differences between registers and the chain, within a unit of work that has locked the register."""

    async def open_of(self, asset_id: UUID) -> list[Discrepancy]:
        """Those of an asset that are not resolved, oldest first."""
        ...

    async def add(self, asset_id: UUID, findings: Sequence[Finding], now: datetime) -> list[Discrepancy]:
        """Records differences of which none is on record, and puts one event about them into the outbox."""
        ...

    async def seen_again(self, findings: Mapping[int, Finding]) -> None:
        """Gives open ones, by id, their new values and another round of reading."""
        ...

    async def resolve(self, discrepancy_ids: Sequence[int], now: datetime) -> None:
        """Closes open ones."""
        ...

    async def assets_to_refresh(self, limit: int) -> list[UUID]:
        """At most `limit` assets with an open one whose holding was not asked to be read again in this round."""
        ...

    async def to_refresh(self, asset_id: UUID, limit: int) -> list[Discrepancy]:
        """At most `limit` of an asset's open ones that were not asked for in this round, oldest first."""
        ...

    async def refresh_requested(self, discrepancies: Sequence[Discrepancy], now: datetime) -> None:
        """Notes that they were asked to be read again in their round; those that are in another one stay."""
        ...


class RefreshScope(Enum):
    """Which holdings are to be read again."""

    HOLDERS = "HOLDERS"
    ALL_KNOWN = "ALL_KNOWN"
    LIST_AGAIN = "LIST_AGAIN"


class ChainHoldingsReader(Protocol):
    """chain_sync_service: tells what holders have on the chain, and tells it again."""

    async def read_holdings(self, asset_id: UUID, holders: Sequence[str], block_number: int) -> ChainHoldings:
        """At most 1,000 holders at a block. Raises AppError: ASSET_NOT_YET_KNOWN, CHAIN_UNAVAILABLE (also when
        the node has no state of that block), INVALID_BLOCK (it is not followed so far, or not any more).
        """
        ...

    async def refresh_holdings(
        self, request_id: UUID, asset_id: UUID, scope: RefreshScope, holders: Sequence[str]
    ) -> None:
        """Asks for holdings to be read and told again; nothing more happens when the same is asked with the same
        id again. Raises AppError: ASSET_NOT_YET_KNOWN, REQUEST_ID_REUSED.
        """
        ...


class Alarms(Protocol):
    """Differences that need a person."""

    def raise_alarm(self, name: str, text: str) -> None:
        """Makes it heard."""
        ...


class HolderOrder(Enum):
    """How holders are ordered."""

    ADDRESS = "ADDRESS"
    BALANCE_DESC = "BALANCE_DESC"


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One holder; the address in lower case."""

    address: str
    holding: Holding
    changed_at_block: int


@dataclass(frozen=True, slots=True)
class HolderKey:
    """A holder's place in either order."""

    address: str
    balance_base_units: int


@dataclass(frozen=True, slots=True)
class HolderPage:
    """Which holders are asked for: at most `limit` behind a place, with at least a balance."""

    order: HolderOrder
    min_balance_base_units: int
    after: HolderKey | None
    limit: int


@dataclass(frozen=True, slots=True)
class HolderRows:
    """Holders and their register, as of one moment."""

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
    """Reads registers; each answer from one snapshot of the database. None where there is no such asset."""

    async def holders(self, asset_id: UUID, page: HolderPage) -> HolderRows | None:
        """A page of holders."""
        ...

    async def holder(self, asset_id: UUID, address: str) -> HolderRows | None:
        """The holder with an address, if there is one."""
        ...

    async def largest_holders(self, asset_id: UUID, limit: int) -> HolderRows | None:
        """At most `limit` holders by all that they have, largest first."""
        ...

    async def changes(
        self, asset_id: UUID, address: str | None, before_change_id: int | None, limit: int
    ) -> list[HolderChangeRow] | None:
        """At most `limit` changes, newest first, of one holder or of all."""
        ...

    async def discrepancies(
        self, asset_id: UUID, before_discrepancy_id: int | None, limit: int, *, unresolved_only: bool
    ) -> list[Discrepancy] | None:
        """At most `limit` discrepancies, newest first."""
        ...

    async def sample(self, asset_id: UUID, size: SampleSize) -> RegisterSample | None:
        """A sample of a register; None while it is not complete."""
        ...
