"""Coupons whose rate was pending when they were announced. No log tells that it was set: the token is asked."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chain_sync_service.domain.facts import Fact, FactKind

_FIRST_DELAY = timedelta(seconds=1)
_LONGEST_DELAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PendingRate:
    """One of them: the announcement, and when to ask next, by the chain's clock."""

    announcement: Fact
    ask_time: datetime
    delay: timedelta = _FIRST_DELAY

    @property
    def action_id(self) -> int:
        """The coupon's number."""
        return int(self.announcement.details["action_id"])

    def asked_in_vain(self, block_time: datetime) -> "PendingRate":
        """Asked less and less often: a token whose kind of rate changed never tells one."""
        longer = min(self.delay * 2, _LONGEST_DELAY)
        return replace(self, ask_time=block_time + self.delay, delay=longer)


def pending_rate(fact: Fact, fixing_time: datetime) -> PendingRate | None:
    """What is to be asked for after an announcement; None where nothing is pending."""
    is_pending = (
        fact.kind is FactKind.CORPORATE_ACTION_ANNOUNCED
        and fact.details["kind"] == "COUPON"
        and fact.details["rate_set"] == "false"
    )
    return PendingRate(fact, fixing_time) if is_pending else None
