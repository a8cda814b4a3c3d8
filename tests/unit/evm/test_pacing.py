"""No minute holds more calls than a relay allows, and a node that asks for a pause gets it."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.evm.pacing import (
    Backoff,
    MethodPacing,
    MethodTier,
    MustWaitError,
    TierLimits,
    Timing,
    TokenBucket,
    tier_of,
)
from tests.unit.evm.fake_time import FakeTime


async def leave_times(bucket: TokenBucket, time: FakeTime, sizes: list[int]) -> list[tuple[float, int]]:
    """When each of the calls left, asked for one after the other."""
    left = []
    for size in sizes:
        await bucket.take(size, longest_wait_seconds=10_000)
        left.append((time.now, size))
    return left


@given(st.integers(10, 2_000), st.data())
def test_no_minute_holds_more_than_the_limit(limit: int, data: st.DataObject) -> None:
    time = FakeTime()
    bucket = TokenBucket(limit, time.timing)
    left: list[tuple[float, int]] = []
    for _ in range(data.draw(st.integers(1, 60))):
        time.now += data.draw(st.sampled_from([0.0, 0.0, 0.3, 7.0, 61.0]))
        size = data.draw(st.integers(1, bucket.burst))
        left += asyncio.run(leave_times(bucket, time, [size]))
    for start, _ in left:
        # A thousandth of a second for the rounding of floats.
        assert sum(size for seconds, size in left if start <= seconds < start + 60 - 1e-3) <= limit


async def test_the_whole_limit_can_be_used() -> None:
    time = FakeTime()
    left = await leave_times(TokenBucket(100, time.timing), time, [1] * 100)
    assert left[-1][0] == pytest.approx(60)
    assert [seconds for seconds, _ in left[:10]] == [0.0] * 10
    assert left[10][0] > 0


async def test_those_who_ask_at_once_leave_one_after_the_other() -> None:
    """What is taken is taken at once, also by one who still waits for it."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    bucket = TokenBucket(20, Timing(lambda: 0.0, sleep))
    assert bucket.burst == 2
    await asyncio.gather(*(bucket.take(2, longest_wait_seconds=100) for _ in range(4)))
    assert slept == pytest.approx([2 / 0.3, 4 / 0.3, 6 / 0.3])


async def test_a_wait_that_is_too_long_takes_nothing() -> None:
    time = FakeTime()
    bucket = TokenBucket(10, time.timing)
    await bucket.take(1, longest_wait_seconds=0)
    for _ in range(3):
        with pytest.raises(MustWaitError) as caught:
            await bucket.take(1, longest_wait_seconds=6)
        assert caught.value.wait_seconds == pytest.approx(60 / 9)
    assert time.slept == []
    with pytest.raises(ValueError, match="the burst is 1"):
        await bucket.take(2, longest_wait_seconds=1_000)


def test_a_limit_that_cannot_be_paced_is_refused() -> None:
    with pytest.raises(ValueError):
        TokenBucket(1, FakeTime().timing)


@pytest.mark.parametrize(
    ("method", "tier"),
    [
        ("eth_call", MethodTier.EXPENSIVE),
        ("eth_sendRawTransaction", MethodTier.EXPENSIVE),
        ("eth_maxPriorityFeePerGas", MethodTier.EXPENSIVE),
        ("eth_getLogs", MethodTier.MODERATE),
        ("eth_estimateGas", MethodTier.MODERATE),
        ("eth_getTransactionCount", MethodTier.MODERATE),
        ("something_new", MethodTier.MODERATE),
        ("net_version", MethodTier.RELAXED),
        ("web3_clientVersion", MethodTier.RELAXED),
    ],
)
def test_methods_have_the_relays_tiers(method: str, tier: MethodTier) -> None:
    assert tier_of(method) is tier


async def test_each_method_has_a_bucket_as_wide_as_its_tier() -> None:
    time = FakeTime()
    pacing = MethodPacing(
        TierLimits(expensive=20, moderate=200, relaxed=2_000), longest_wait_seconds=5, timing=time.timing
    )
    assert [pacing.most_at_once(method) for method in ("eth_call", "eth_getLogs", "net_version")] == [2, 20, 200]
    await pacing.take("eth_call", 2)
    with pytest.raises(MustWaitError):
        await pacing.take("eth_call", 2)
    await pacing.take("eth_sendRawTransaction", 2)
    assert time.slept == [], "reads do not hold up a transaction"


def test_the_default_limits_are_the_relays() -> None:
    assert [TierLimits().of(tier) for tier in MethodTier] == [100, 800, 1_600]


# ------------------------------------------------------------------------------------------------ back-off


def held_seconds(backoff: Backoff, time: FakeTime) -> float:
    """How long the hold still is."""
    before = time.now
    asyncio.run(backoff.wait(10_000))
    return time.now - before


def refusals(backoff: Backoff, time: FakeTime, retry_after: str | None = None) -> Iterator[float]:
    """The holds after one refusal after another, each after the hold before."""
    while True:
        backoff.refused(retry_after)
        yield held_seconds(backoff, time)


def test_without_advice_the_hold_doubles_up_to_a_minute_and_begins_again_after_an_answer() -> None:
    time = FakeTime()
    backoff = Backoff(time.timing)
    holds = refusals(backoff, time)
    assert list(itertools.islice(holds, 8)) == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.answered()
    assert next(holds) == 1


def test_chance_takes_up_to_half_of_the_hold() -> None:
    time = FakeTime()
    timing = Timing(time.monotonic, time.sleep, lambda: 0.5)
    assert list(itertools.islice(refusals(Backoff(timing), time), 3)) == [0.75, 1.5, 3.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (" 7 ", 7), ("9999", 300), ("0", 1), ("-3", 1), ("soon", 1), ("", 1), ("9" * 5_000, 1), ("²", 1)],
)
def test_the_nodes_advice_is_followed_within_bounds(header: str, seconds: int) -> None:
    time = FakeTime()
    assert next(refusals(Backoff(time.timing), time, header)) == seconds


def test_refusals_of_what_was_sent_before_the_hold_do_not_make_it_grow() -> None:
    time = FakeTime()
    backoff = Backoff(time.timing)
    for _ in range(8):
        backoff.refused(None)
    assert held_seconds(backoff, time) == 1
    backoff.refused("5")
    backoff.refused("3")
    backoff.refused(None)
    # An answer to a request that had left before says nothing about the pause.
    backoff.answered()
    assert held_seconds(backoff, time) == 5
    backoff.refused(None)
    assert held_seconds(backoff, time) == 2, "it goes on growing"


async def test_who_would_wait_too_long_is_told_at_once() -> None:
    time = FakeTime()
    backoff = Backoff(time.timing)
    await backoff.wait(0)
    backoff.refused("8")
    with pytest.raises(MustWaitError, match="pause"):
        await backoff.wait(7)
    assert time.slept == []
    await backoff.wait(8)
    assert time.slept == [8]


async def test_a_hold_that_grows_meanwhile_is_waited_for_up_to_the_deadline() -> None:
    time = FakeTime()
    backoff = Backoff(time.timing)
    backoff.refused("4")
    time.meanwhile = lambda: backoff.refused("4")
    with pytest.raises(MustWaitError):
        await backoff.wait(10)
    assert time.slept == [4, 4]
