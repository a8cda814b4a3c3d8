"""Computes when an unpaid payee is tried again: after growing delays, a bounded number of times."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.chain.quantities import HolderAddress
from payout_service.domain.payments import FailureReason

# Lack of money is nobody's fault at the payee: each try needs a deposit first, so more of them are allowed.
_UNFUNDED_TRIES_FACTOR = 4
_JITTER_PERCENT = 25
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try payees again.

    `max_tries` counts a payee's batches since the plan or an operator's RetryPayments.
    """

    max_tries: int = 5
    first_delay_seconds: float = 30.0
    longest_delay_seconds: float = 3600.0

    def next_try(self, reason: FailureReason, tries: int, now: datetime, payee: HolderAddress) -> datetime | None:
        """Returns when to try a payee again after `tries`; None when it needs an operator.

        The delay doubles, and up to a quarter comes on top, spread by the payee's name, so that payees that failed
        together do not all come back together.
        """
        allowed = self.max_tries * (_UNFUNDED_TRIES_FACTOR if reason is FailureReason.UNFUNDED else 1)
        if tries >= allowed:
            return None
        delay = self.first_delay_seconds * 2 ** min(max(tries - 1, 0), _MOST_DOUBLINGS)
        delay = min(delay, self.longest_delay_seconds)
        spread = int.from_bytes(hashlib.sha256(f"{payee}/{tries}".encode()).digest()[:4]) / 2**32
        return now + timedelta(seconds=delay * (1 + spread * _JITTER_PERCENT / 100))
