"""Delays requests to a node: keeps the relay's limits per method, and backs off after HTTP 429.

Nothing in here sends or repeats a request; it only makes one wait before it is sent.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from enum import Enum

_SECONDS_PER_MINUTE = 60.0
# A relay counts in windows of a minute that begin anywhere. A tenth may leave at once; the rest is spread over
# the minute, so that no minute, wherever it begins, holds more than the limit.
_BURST_SHARE = 10


class MustWaitError(Exception):
    """The request would have to wait longer than it may. Nothing was sent."""

    def __init__(self, wait_seconds: float, why: str) -> None:
        super().__init__(f"{why}: the wait would be {wait_seconds:.1f} s")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock, sleep and randomness of this module, which tests replace.

    `monotonic` is in seconds, `jitter` 0 to 1.
    """

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


class MethodTier(Enum):
    """The price classes of methods at a Hedera JSON-RPC relay (docs/facts-hedera.md#relay-limits)."""

    EXPENSIVE = 1
    MODERATE = 2
    RELAXED = 3


_EXPENSIVE_METHODS = frozenset({"eth_call", "eth_maxPriorityFeePerGas", "eth_sendRawTransaction", "eth_syncing"})
_RELAXED_PREFIXES = ("net_", "web3_")


def tier_of(method: str) -> MethodTier:
    """Returns the tier of a method."""
    if method in _EXPENSIVE_METHODS:
        return MethodTier.EXPENSIVE
    return MethodTier.RELAXED if method.startswith(_RELAXED_PREFIXES) else MethodTier.MODERATE


@dataclass(frozen=True, slots=True)
class TierLimits:
    """The calls per minute for each method of a tier. The defaults are the relay's own."""

    _: KW_ONLY
    expensive: int = 100
    moderate: int = 800
    relaxed: int = 1_600

    def of(self, tier: MethodTier) -> int:
        """Returns the limit of a tier, in calls a minute."""
        return {
            MethodTier.EXPENSIVE: self.expensive,
            MethodTier.MODERATE: self.moderate,
            MethodTier.RELAXED: self.relaxed,
        }[tier]


class TokenBucket:
    """Lets through at most `calls_per_minute` (2 or more) in any minute. Calls beyond that wait."""

    def __init__(self, calls_per_minute: int, timing: Timing) -> None:
        self.burst = max(1, calls_per_minute // _BURST_SHARE)
        if calls_per_minute <= self.burst:
            raise ValueError("fewer than 2 calls a minute cannot be paced")
        self._per_second = (calls_per_minute - self.burst) / _SECONDS_PER_MINUTE
        self._timing = timing
        self._tokens = float(self.burst)
        self._counted_at_seconds = timing.monotonic()

    async def take(self, calls: int, longest_wait_seconds: float) -> None:
        """Waits until this many calls may leave, in the order of asking.

        Raises MustWaitError, and takes nothing, if that is later than the longest wait; ValueError for more
        calls than the burst, which would break the limit however long they waited.
        """
        if calls > self.burst:
            raise ValueError(f"{calls} calls at once, the burst is {self.burst}")
        now = self._timing.monotonic()
        there = min(self.burst, self._tokens + (now - self._counted_at_seconds) * self._per_second)
        wait_seconds = max(0.0, (calls - there) / self._per_second)
        if wait_seconds > longest_wait_seconds:
            raise MustWaitError(wait_seconds, "the relay's limit of calls a minute is used up")
        # May become negative: those who come later wait for this debt too.
        self._tokens = there - calls
        self._counted_at_seconds = now
        if wait_seconds:
            await self._timing.sleep(wait_seconds)


class MethodPacing:
    """Paces each method by its own bucket, as the relay counts per address and method.

    A run of reads does not hold up a transaction. Processes behind one address have to share the limits out.
    """

    def __init__(
        self, limits: TierLimits | None = None, *, longest_wait_seconds: float = 60.0, timing: Timing | None = None
    ) -> None:
        self._limits = limits or TierLimits()
        self._longest_wait_seconds = longest_wait_seconds
        self._timing = timing or Timing()
        self._buckets: dict[str, TokenBucket] = {}

    def most_at_once(self, method: str) -> int:
        """Returns how many calls of a method one batch may hold."""
        return self._bucket(method).burst

    async def take(self, method: str, calls: int) -> None:
        """Waits until the calls may leave. Raises MustWaitError, and ValueError for more than `most_at_once`."""
        await self._bucket(method).take(calls, self._longest_wait_seconds)

    def _bucket(self, method: str) -> TokenBucket:
        if method not in self._buckets:
            self._buckets[method] = TokenBucket(self._limits.of(tier_of(method)), self._timing)
        return self._buckets[method]


class Backoff:
    """Holds all requests to a node after it answered that there were too many.

    As long as the node says (Retry-After), else 1 s, doubled with each refusal up to a minute, less up to half
    of it by chance, so that several clients do not come back together.
    """

    _FIRST_SECONDS = 1.0
    _LONGEST_SECONDS = 60.0
    # However long a node wants to be left alone, it is asked again after this.
    _LONGEST_TOLD_SECONDS = 300.0

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._held_until_seconds = timing.monotonic()
        self._next_seconds = self._FIRST_SECONDS

    def refused(self, retry_after: str | None) -> None:
        """Records that the node refused a request as one too many.

        `retry_after` is the header in its seconds form.
        """
        now = self._timing.monotonic()
        if now < self._held_until_seconds and retry_after is None:
            # Sent before the hold began: it says nothing new.
            return
        told_seconds = _told_seconds(retry_after)
        if told_seconds:
            hold_seconds = min(told_seconds, self._LONGEST_TOLD_SECONDS)
        else:
            hold_seconds = self._next_seconds * (1 - self._timing.jitter() / 2)
            self._next_seconds = min(2 * self._next_seconds, self._LONGEST_SECONDS)
        self._held_until_seconds = max(self._held_until_seconds, now + hold_seconds)

    def answered(self) -> None:
        """Records that the node answered a request. The next refusal begins with a short hold again."""
        if self._timing.monotonic() >= self._held_until_seconds:
            self._next_seconds = self._FIRST_SECONDS

    async def wait(self, longest_wait_seconds: float) -> None:
        """Waits until there is no hold.

        Raises MustWaitError at once if that takes longer than the longest wait.
        """
        deadline = self._timing.monotonic() + longest_wait_seconds
        # The hold may have grown meanwhile, up to the deadline.
        while (now := self._timing.monotonic()) < self._held_until_seconds:
            if self._held_until_seconds > deadline:
                raise MustWaitError(self._held_until_seconds - now, "the node asked for a pause")
            await self._timing.sleep(self._held_until_seconds - now)


def _told_seconds(retry_after: str | None) -> int:
    """Returns the seconds of a Retry-After header; 0 if there is none, or if it is a date."""
    text = (retry_after or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
