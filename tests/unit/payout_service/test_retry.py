"""When a payee that was not paid is tried again by itself."""

from datetime import timedelta

import pytest

from libs.chain.quantities import HolderAddress
from payout_service.domain.payments import RETRIABLE_REASONS, FailureReason
from payout_service.domain.retry import RetryPolicy
from tests.support.payout.memory_database import START

POLICY = RetryPolicy(max_tries=5, first_delay_seconds=30, longest_delay_seconds=3600)
REFUSED, UNFUNDED = FailureReason.TRANSFER_REFUSED, FailureReason.UNFUNDED


def delay_seconds(tries: int, reason: FailureReason = REFUSED, payee: str = "0xa") -> float:
    at = POLICY.next_try(reason, tries, START, HolderAddress(payee))
    assert at
    return (at - START).total_seconds()


def test_each_delay_is_twice_the_last_and_at_most_a_quarter_more() -> None:
    for tries, base in ((0, 30), (1, 30), (2, 60), (3, 120), (4, 240)):
        assert base <= delay_seconds(tries) <= base * 1.25


def test_no_delay_is_longer_than_the_longest_and_its_quarter() -> None:
    assert 3600 <= delay_seconds(19, UNFUNDED) <= 3600 * 1.25


def test_a_huge_number_of_tries_still_has_a_delay() -> None:
    patient = RetryPolicy(max_tries=10**9, first_delay_seconds=1, longest_delay_seconds=60)
    at = patient.next_try(REFUSED, 10**6, START, HolderAddress("0xa"))
    assert at
    assert at - START <= timedelta(seconds=75)


@pytest.mark.parametrize("reason", sorted(RETRIABLE_REASONS))
def test_tries_are_bounded(reason: FailureReason) -> None:
    most = 20 if reason is UNFUNDED else 5
    assert POLICY.next_try(reason, most - 1, START, HolderAddress("0xa")) is not None
    assert POLICY.next_try(reason, most, START, HolderAddress("0xa")) is None
    assert POLICY.next_try(reason, most + 1, START, HolderAddress("0xa")) is None


def test_payees_that_failed_together_do_not_come_back_together() -> None:
    delays = [delay_seconds(1, payee=f"0x{number}") for number in range(50)]
    assert len(set(delays)) == 50
    assert max(delays) - min(delays) > 30 * 0.1
    assert delays == [delay_seconds(1, payee=f"0x{number}") for number in range(50)], "the same on every replica"
