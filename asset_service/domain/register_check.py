"""Compares a register with the chain, and decides which earlier differences are resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from asset_service.domain.register import BlockPosition, Holding, Register


class DiscrepancyKind(StrEnum):
    """The kinds of differences between a register and the chain."""

    HOLDING_DIFFERS = "HOLDING_DIFFERS"
    TOTAL_DIFFERS = "TOTAL_DIFFERS"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is compared: the holding of `holder`, or the total when `holder` is empty."""

    kind: DiscrepancyKind
    holder: str = ""


TOTAL = Subject(DiscrepancyKind.TOTAL_DIFFERS)


def holding_of(holder: str) -> Subject:
    """Returns the subject for one holder, whose address is in lower case."""
    return Subject(DiscrepancyKind.HOLDING_DIFFERS, holder)


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference seen at a block: the value in the register and the value on the chain."""

    subject: Subject
    block_number: int
    register_value: str
    chain_value: str


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A recorded difference. It is open until a check finds register and chain equal there.

    `refresh_round` counts the checks that found it, from 1: each has the holding read again once.
    """

    discrepancy_id: int
    asset_id: UUID
    finding: Finding
    refresh_round: int
    create_time: datetime
    resolve_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisterSample:
    """A complete register and some of its holders, as of one moment.

    `holdings` may name holders who have nothing.
    """

    register: Register
    position: BlockPosition
    holdings: Mapping[str, Holding]

    @property
    def subjects(self) -> frozenset[Subject]:
        """Everything that a comparison of this sample covers."""
        return frozenset({TOTAL, *map(holding_of, self.holdings)})


@dataclass(frozen=True, slots=True)
class ChainHoldings:
    """Holdings on the chain at one block, in the order asked for, and the token's total supply there."""

    block_hash: str
    total_supply_base_units: int
    holdings: Sequence[Holding]


def compare(sample: RegisterSample, chain: ChainHoldings) -> tuple[Finding, ...]:
    """Returns the differences: holders by address, then the total. Raises ValueError when the blocks differ."""
    if sample.position.block_hash != chain.block_hash:
        raise ValueError("register and chain are of different blocks")
    block = sample.position.number
    on_chain = dict(zip(sample.holdings, chain.holdings, strict=True))
    differing = sorted(holder for holder, holding in sample.holdings.items() if holding != on_chain[holder])
    findings = [
        Finding(holding_of(holder), block, str(sample.holdings[holder]), str(on_chain[holder]))
        for holder in differing
    ]
    total = sample.register.total_base_units
    if total != chain.total_supply_base_units:
        findings.append(Finding(TOTAL, block, str(total), str(chain.total_supply_base_units)))
    return tuple(findings)
