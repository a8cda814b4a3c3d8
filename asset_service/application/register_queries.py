"""Answers questions about registers of holders, without changing anything."""

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from asset_service.application.queries import asset_not_found
from asset_service.application.register_ports import (
    HolderChangeRow,
    HolderPage,
    HolderRow,
    HolderRows,
    RegisterReader,
)
from asset_service.domain.register import Register
from asset_service.domain.register_check import Discrepancy
from libs.errors import AppError, Reason

Answer = TypeVar("Answer")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class RegisterSummary:
    """A register as of one moment, with its largest holders and their share of everything that is held."""

    register: Register
    largest: tuple[HolderRow, ...]

    @property
    def share_millionths(self) -> int:
        """The share in millionths, rounded down; 0 for an empty register."""
        total = self.register.total_base_units
        return sum(row.holding.total for row in self.largest) * _MILLION // total if total else 0


@dataclass(frozen=True, slots=True)
class RegisterQueries:
    """Answers what callers ask about a register."""

    reader: RegisterReader

    async def list_holders(self, asset_id: UUID, page: HolderPage) -> HolderRows:
        """A page of holders. Raises AppError ASSET_NOT_FOUND."""
        return _found(await self.reader.holders(asset_id, page), asset_id, "parent")

    async def get_holder(self, asset_id: UUID, address: str) -> HolderRow:
        """One holder. Raises AppError ASSET_NOT_FOUND or HOLDER_NOT_FOUND."""
        found = _found(await self.reader.holder(asset_id, address), asset_id, "name")
        if not found.rows:
            raise AppError(Reason.HOLDER_NOT_FOUND, f"{address} holds nothing of assets/{asset_id}", field="name")
        return found.rows[0]

    async def list_changes(
        self, asset_id: UUID, address: str | None, before_change_id: int | None, limit: int
    ) -> list[HolderChangeRow]:
        """Changes of one holder or of all, newest first. Raises AppError ASSET_NOT_FOUND."""
        rows = await self.reader.changes(asset_id, address, before_change_id, limit)
        return _found(rows, asset_id, "parent")

    async def get_summary(self, asset_id: UUID, top_count: int) -> RegisterSummary:
        """The register in figures. Raises AppError ASSET_NOT_FOUND."""
        found = _found(await self.reader.largest_holders(asset_id, top_count), asset_id, "name")
        return RegisterSummary(found.register, found.rows)

    async def list_discrepancies(
        self, asset_id: UUID, before_discrepancy_id: int | None, limit: int, *, unresolved_only: bool
    ) -> list[Discrepancy]:
        """Returns where the register differed from the chain, newest first. Raises AppError ASSET_NOT_FOUND."""
        rows = await self.reader.discrepancies(
            asset_id, before_discrepancy_id, limit, unresolved_only=unresolved_only
        )
        return _found(rows, asset_id, "parent")


def _found(answer: Answer | None, asset_id: UUID, field: str) -> Answer:
    if answer is None:
        raise asset_not_found(asset_id, field)
    return answer
