"""Records where a register differs from the chain. A difference is recorded once, as long as it lasts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asset_service.application.ports import UnitOfWork
from asset_service.application.register_ports import Alarms
from asset_service.domain.register_check import Discrepancy, Finding, Subject

# What one event may name (RegisterDiscrepancyFound); more holders in one check or change tell nothing new.
MAX_FINDINGS = 100
_ALARM = "REGISTER_DIFFERS"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of recording: the differences that are new, and how many were found in all."""

    asset_id: UUID
    new: Sequence[Discrepancy]
    finding_count: int


async def record_discrepancies(
    uow: UnitOfWork, asset_id: UUID, findings: Sequence[Finding], covered: Collection[Subject], now: datetime
) -> Recorded:
    """Records the differences found among the subjects that were checked. The register must be locked.

    A difference that is on record takes the new values and is read again; one that is covered and not found any
    more is resolved. At most MAX_FINDINGS of the findings are recorded.
    """
    open_by_subject = {each.finding.subject: each for each in await uow.discrepancies.open_of(asset_id)}
    recorded = findings[:MAX_FINDINGS]
    new = [each for each in recorded if each.subject not in open_by_subject]
    again = {
        open_by_subject[each.subject].discrepancy_id: each for each in recorded if each.subject in open_by_subject
    }
    differing = {each.subject for each in findings}
    resolved = [
        each.discrepancy_id
        for subject, each in open_by_subject.items()
        if subject in covered and subject not in differing
    ]
    await uow.discrepancies.seen_again(again)
    await uow.discrepancies.resolve(resolved, now)
    return Recorded(asset_id, await uow.discrepancies.add(asset_id, new, now), len(findings))


def raise_alarm(alarms: Alarms, recorded: Recorded) -> None:
    """Raises an alarm about new differences. Call it after the commit."""
    if not recorded.new:
        return
    first = recorded.new[0].finding
    about = first.subject.holder or "the total"
    count = recorded.finding_count
    alarms.raise_alarm(
        _ALARM,
        f"assets/{recorded.asset_id}: {count} differ at block {first.block_number}, first {about}: "
        f"register {first.register_value}, chain {first.chain_value}",
    )
