"""Redemption at maturity: who may, what is burned, and that the principal counts more than that."""

from collections.abc import Callable

import pytest
from eth_typing import ChecksumAddress

from tests.ats import roles
from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, NOMINAL_VALUE, SUPPLY, UNIT, A, B, C, D, refused
from tests.ats.studio import ZERO_ADDRESS


@pytest.fixture
def redeemer(bond: Asset, operator: ChecksumAddress) -> ChecksumAddress:
    """May redeem."""
    bond.grant(roles.MATURITY_REDEEMER, operator)
    return operator


@pytest.fixture
def mature(chain: Chain, bond: Asset) -> Asset:
    """The bond on its maturity date."""
    chain.advance_to(bond.read("getMaturityDate"))
    return bond


def principal(bond: Asset, holder: ChecksumAddress) -> int:
    """What the bond says is due, in base units of a money with as many decimals as the bond."""
    numerator, denominator = bond.read("getPrincipalFor", holder)
    return int(numerator) * UNIT // int(denominator)


def test_burns_all_and_takes_the_holder_off_the_list(mature: Asset, redeemer: ChecksumAddress) -> None:
    assert principal(mature, A) == NOMINAL_VALUE * AMOUNTS[A]
    receipt = mature.redeem_at_maturity(A, redeemer)

    (event,) = mature.events(receipt, "RedeemedByPartition")
    assert (event["operator"], event["from"], event["value"]) == (redeemer, A, AMOUNTS[A])
    assert mature.events(receipt, "Transfer") == [{"from": A, "to": ZERO_ADDRESS, "value": AMOUNTS[A]}]
    assert principal(mature, A) == 0
    assert mature.read("totalSupply") == SUPPLY - AMOUNTS[A]
    # The last one moves up into the gap.
    assert mature.holders() == [D, B, C]


@pytest.mark.parametrize(
    ("withhold", "held"),
    [
        (lambda bond, now: bond.freeze(A, AMOUNTS[A]), AMOUNTS[A]),
        (lambda bond, now: bond.freeze(A, UNIT), UNIT),
        (lambda bond, now: bond.lock(A, UNIT, now + 10**6), UNIT),
        (
            lambda bond, now: bond.send(
                "createHoldByPartition",
                (1).to_bytes(32, "big"),
                (UNIT, now + 10**6, B, ZERO_ADDRESS, b""),
                sender=A,
            ),
            UNIT,
        ),
    ],
    ids=["frozen wholly", "frozen partly", "locked", "held"],
)
def test_principal_counts_what_cannot_be_redeemed(
    chain: Chain, bond: Asset, redeemer: ChecksumAddress, withhold: Callable[[Asset, int], object], held: int
) -> None:
    """A contract that pays the principal and then redeems pays the withheld tokens again and again."""
    withhold(bond, chain.now)
    chain.advance_to(bond.read("getMaturityDate"))
    assert bond.read("getTotalBalanceFor", A) == AMOUNTS[A]
    assert bond.balance_of(A) == AMOUNTS[A] - held
    assert principal(bond, A) == NOMINAL_VALUE * AMOUNTS[A]

    for _ in range(2):
        bond.redeem_at_maturity(A, redeemer)
        assert bond.balance_of(A) == 0
        assert principal(bond, A) == NOMINAL_VALUE * held
    assert A in bond.holders()


def test_a_second_time_and_nobodys_bonds_are_redeemed_silently(mature: Asset, redeemer: ChecksumAddress) -> None:
    mature.redeem_at_maturity(A, redeemer)
    assert mature.balance_of(A) == 0
    assert mature.redeem_at_maturity(A, redeemer)["logs"] == []
    assert mature.redeem_at_maturity(NEW, redeemer)["logs"] == []


@pytest.mark.parametrize(
    "refuse",
    [lambda bond: bond.block(A), lambda bond: bond.send("setAddressFrozen", A, True)],
    ids=["listed", "frozen account"],
)
def test_a_blocked_holder_cannot_be_redeemed(
    mature: Asset, redeemer: ChecksumAddress, refuse: Callable[[Asset], object]
) -> None:
    refuse(mature)
    assert mature.read("isInControlList", A)
    assert A in mature.holders()
    with refused("AccountIsBlocked(address)", A):
        mature.redeem_at_maturity(A, redeemer)


def test_needs_the_role(mature: Asset, stranger: ChecksumAddress) -> None:
    with refused("AccountHasNoRole(address,bytes32)", stranger, roles.MATURITY_REDEEMER):
        mature.redeem_at_maturity(A, stranger)


def test_not_before_maturity(chain: Chain, bond: Asset, redeemer: ChecksumAddress) -> None:
    chain.advance_to(bond.read("getMaturityDate") - 2)
    with refused("MaturityDateInvalid()"):
        bond.redeem_at_maturity(A, redeemer)
    # The next block's time is the maturity date.
    bond.redeem_at_maturity(A, redeemer)


def test_not_while_paused(mature: Asset, redeemer: ChecksumAddress) -> None:
    mature.pause()
    with refused("IsPaused()"):
        mature.redeem_at_maturity(A, redeemer)


def test_bonds_change_hands_after_maturity(mature: Asset, redeemer: ChecksumAddress) -> None:
    mature.transfer(A, NEW, UNIT)
    assert principal(mature, NEW) == NOMINAL_VALUE * UNIT
