"""Reads the demo's settings from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from deploy.devnet.artifacts import lifecycle_artifact_path
from deploy.devnet.terms import DEFAULT_VERSION, AssetVersion
from deploy.local.settings import RPC_URL_VARIABLE

# Above what the devnet contract was measured to use (60,900 a payee new to the payment token).
_BASE_GAS = 150_000
_GAS_PER_PAYEE = 100_000
_LARGEST_BATCH_GAS = 6_000_000
_MAX_HOLDERS = 100_000
# One batch after the other, so that tokens can move between two; and a payee with whom the call reverts soon
# becomes a named one for an operator, instead of being tried for an hour.
_REDEMPTION_SETTINGS = {
    "PAYOUT_SERVICE_MAX_IN_FLIGHT_TRANSACTIONS": "1",
    "PAYOUT_SERVICE_MAX_PAYMENT_TRIES": "2",
    "PAYOUT_SERVICE_RETRY_FIRST_SECONDS": "2",
}


class DemoError(Exception):
    """The demo cannot run, or what it found is wrong. The message says why."""


class Scenario(StrEnum):
    """The scenarios of the demo, by what they pay."""

    SNAPSHOT = "snapshot"
    DIVIDEND = "dividend"
    COUPON = "coupon"
    REDEMPTION = "redemption"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """`holder_count` holders with balances made from `seed`, of an asset of `version`; `keep` leaves the stack
    running.
    """

    scenario: Scenario
    holder_count: int
    seed: int
    keep: bool
    version: AssetVersion

    @classmethod
    def load(cls) -> DemoSettings:
        """Reads the settings from the environment.

        Raises DemoError that names a wrong one, or a chain that is not ours.
        """
        if os.environ.get(RPC_URL_VARIABLE):
            raise DemoError(
                f"{RPC_URL_VARIABLE} is set: the demo makes contracts and money, so it needs its own embedded "
                "chain; unset it, or use `make up` with your chain"
            )
        return cls(
            scenario=_scenario(),
            holder_count=_number("HOLDERS", 250, 1, _MAX_HOLDERS),
            seed=_number("SEED", 1, 0, 2**32),
            keep=_number("KEEP", 0, 0, 1) == 1,
            version=AssetVersion(_number("VERSION", DEFAULT_VERSION, min(AssetVersion), max(AssetVersion))),
        )

    @property
    def total_base_units(self) -> int:
        """The total of a snapshot payout: 40.02 tokens (6 decimals) a holder, so that rounding leaves dust."""
        return self.holder_count * 40_020_000 + 7

    @property
    def max_batch_gas(self) -> int:
        """A gas cap that makes at least 3 batches (of 3 or more holders)."""
        payees = max(1, self.holder_count // 4)
        return min(_LARGEST_BATCH_GAS, _BASE_GAS + _GAS_PER_PAYEE * payees)

    @property
    def payout_service_environment(self) -> dict[str, str]:
        """Returns the settings with which payout_service is started, but for those that the environment has."""
        more = _REDEMPTION_SETTINGS if self.scenario is Scenario.REDEMPTION else {}
        ours = {
            "PAYOUT_SERVICE_MAX_BATCH_GAS": str(self.max_batch_gas),
            "PAYOUT_SERVICE_LIFECYCLE_ARTIFACT": str(lifecycle_artifact_path(self.version)),
            **more,
        }
        return {name: value for name, value in ours.items() if name not in os.environ}

    @property
    def longest_payout_seconds(self) -> float:
        """The longest wait for a payout to end."""
        return 120.0 + self.holder_count


def _scenario() -> Scenario:
    text = os.environ.get("SCENARIO") or Scenario.SNAPSHOT.value
    try:
        return Scenario(text)
    except ValueError:
        raise DemoError(f"SCENARIO={text}: expected one of {', '.join(Scenario)}") from None


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise DemoError(f"{name}={text}: expected a whole number from {least} to {most}")
    return int(text)
