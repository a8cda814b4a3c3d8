"""Collects the differences found in one reconciliation. Each is stored once and announced once."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from payout_service.application.engine import Engine
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind, Finding

# A look that finds more has found enough for an operator to begin with; the others come with a later look.
MOST_FINDINGS = 1000
_Key = tuple[DiscrepancyKind, str]


class DiscrepancyAlarms(Protocol):
    """Alerts operators to differences: a counter, a log line, a gauge."""

    def discrepancy_found(self, discrepancy: Discrepancy) -> None:
        """Reports a difference that was not open before."""
        ...

    def discrepancies_open(self, count: int) -> None:
        """Reports how many differences are open now, over all assets and payouts."""
        ...


class Look:
    """One look for differences at a payout or, if `payout_id` is None, at a lifecycle contract as a whole.

    What was open before and is not found now is resolved, unless this look could not tell.
    """

    def __init__(self, asset_id: UUID, payout_id: UUID | None, open_before: Sequence[Discrepancy]) -> None:
        self.asset_id = asset_id
        self.payout_id = payout_id
        self.open_before = {_key(each.finding): each for each in open_before}
        self.findings: dict[_Key, Finding] = {}
        self._untold: set[_Key] = set()
        self._is_partial = False

    def find(self, finding: Finding) -> None:
        """Records a difference. Of two with the same kind and subject, the first counts."""
        key = _key(finding)
        if key in self.findings:
            return
        if len(self.findings) >= MOST_FINDINGS:
            self.stop_early()
            return
        self.findings[key] = finding

    def stop_early(self) -> None:
        """Notes that the look does not name everything. A difference that it does not name may still exist."""
        self._is_partial = True

    def cannot_tell(self, kind: DiscrepancyKind, subject: str) -> None:
        """Notes that a difference could not be checked. If it is open, it stays open."""
        if (kind, subject) in self.open_before:
            self._untold.add((kind, subject))

    def open_subjects(self, kind: DiscrepancyKind) -> list[str]:
        """Returns the subjects of a kind that were open before."""
        return [subject for each, subject in self.open_before if each is kind]

    def confirm(self, kind: DiscrepancyKind, subject: str) -> None:
        """Notes that a difference that was open before still exists."""
        self.find(self.open_before[(kind, subject)].finding)

    def is_resolved(self, before: Discrepancy) -> bool:
        """Returns True for a difference that was open, was looked for completely and does not exist any more."""
        key = _key(before.finding)
        return not self._is_partial and key not in self.findings and key not in self._untold


async def begin_look(engine: Engine, asset_id: UUID, payout_id: UUID | None) -> Look:
    """Begins a look that knows which differences are open."""
    async with engine.unit_of_work() as work:
        return Look(asset_id, payout_id, await work.discrepancies.open_of(asset_id, payout_id))


async def end_look(engine: Engine, look: Look, alarms: DiscrepancyAlarms) -> None:
    """Stores what was found and what is resolved. Raises the alarm for what was not open before."""
    async with engine.unit_of_work() as work:
        for key, before in look.open_before.items():
            if key in look.findings:
                await work.discrepancies.seen_again(before.discrepancy_id, look.findings[key], engine.now())
            elif look.is_resolved(before):
                await work.discrepancies.resolve(before.discrepancy_id, engine.now())
        fresh = [finding for key, finding in look.findings.items() if key not in look.open_before]
        new = await add_findings(engine, work, look.asset_id, [(look.payout_id, finding) for finding in fresh])
        await work.commit()
    for discrepancy in new:
        alarms.discrepancy_found(discrepancy)


async def add_findings(
    engine: Engine, work: UnitOfWork, asset_id: UUID, findings: Sequence[tuple[UUID | None, Finding]]
) -> list[Discrepancy]:
    """Stores findings of payouts (None: of the contract) that are not open yet, and returns those."""
    now = engine.now()
    found = [
        Discrepancy(engine.ids.new(), asset_id, payout_id, finding, now, now) for payout_id, finding in findings
    ]
    return [each for each in found if await work.discrepancies.add(each)]


def _key(finding: Finding) -> _Key:
    return finding.kind, finding.subject
