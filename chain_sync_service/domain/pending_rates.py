"""Coupons that were announced without a rate.

No log tells when the rate is set, so the token is asked repeatedly.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chain_sync_service.domain.facts import Fact, FactKind

_FIRST_DELAY = timedelta(seconds=1)
_LONGEST_DELAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PendingRate:
    """A coupon with a pending rate: its announcement, and when to ask next, by the chain's clock."""

    announcement: Fact
    ask_time: datetime
    delay: timedelta = _FIRST_DELAY

    @property
    def action_id(self) -> int:
        """The coupon's number."""
        return int(self.announcement.details["action_id"])

    def asked_in_vain(self, block_time: datetime) -> "PendingRate":
        """Returns the rate with a later time to ask.

        The interval grows, as a token that changed its kind of rate never answers.
        """
        longer = min(self.delay * 2, _LONGEST_DELAY)
        return replace(self, ask_time=block_time + self.delay, delay=longer)


def pending_rate(fact: Fact, fixing_time: datetime) -> PendingRate | None:
    """Returns the pending rate of an announcement; None when its rate is not pending."""
    is_pending = (
        fact.kind is FactKind.CORPORATE_ACTION_ANNOUNCED
        and fact.details["kind"] == "COUPON"
        and fact.details["rate_set"] == "false"
    )
    return PendingRate(fact, fixing_time) if is_pending else None
