"""Redemption at maturity: who may, what is burned, how it is told, and what the principal counts.

Version 2 tells the principal of the tokens that it burns, version 8 of all that the holder has.
"""

from collections.abc import Callable

import pytest
from eth_typing import ChecksumAddress

from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, NOMINAL_VALUE, SUPPLY, UNIT, A, B, C, D, refused
from tests.ats.studio import ZERO_ADDRESS


@pytest.fixture
def redeemer(bond: Asset, operator: ChecksumAddress) -> ChecksumAddress:
    """May redeem."""
    bond.grant(bond.roles.maturity_redeemer, operator)
    return operator


@pytest.fixture
def mature(chain: Chain, bond: Asset) -> Asset:
    """The bond on its maturity date."""
    chain.advance_to(bond.matures)
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
    transfer = {"from": A, "to": ZERO_ADDRESS, "value": AMOUNTS[A]}
    assert mature.events(receipt, "Transfer") == ([] if mature.release.version == "2.0.0" else [transfer])
    assert mature.release.version == "8.0.0" or len(receipt["logs"]) == 1
    assert principal(mature, A) == 0
    assert mature.read("totalSupply") == SUPPLY - AMOUNTS[A]
    # The last one moves up into the gap.
    assert mature.holders() == [D, B, C]


withheld = pytest.mark.parametrize(
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


@pytest.mark.releases("2.0.0")
@withheld
def test_principal_counts_what_is_redeemed(
    chain: Chain, bond: Asset, redeemer: ChecksumAddress, withhold: Callable[[Asset, int], object], held: int
) -> None:
    withhold(bond, chain.now)
    chain.advance_to(bond.matures)
    assert bond.balance_of(A) == AMOUNTS[A] - held
    assert principal(bond, A) == NOMINAL_VALUE * (AMOUNTS[A] - held)

    receipt = bond.redeem_at_maturity(A, redeemer)
    burned = [event["value"] for event in bond.events(receipt, "RedeemedByPartition")]
    assert burned == [amount for amount in (AMOUNTS[A] - held,) if amount]
    assert (bond.balance_of(A), principal(bond, A)) == (0, 0)
    assert bond.read("totalSupply") == SUPPLY - AMOUNTS[A] + held
    # Whoever is left with withheld bonds alone is not listed any more (test_register.py).
    assert (A in bond.holders()) == (held == AMOUNTS[A])


@pytest.mark.releases("8.0.0")
@withheld
def test_principal_counts_what_cannot_be_redeemed(
    chain: Chain, bond: Asset, redeemer: ChecksumAddress, withhold: Callable[[Asset, int], object], held: int
) -> None:
    """A contract that pays the principal and then redeems pays the withheld tokens again and again."""
    withhold(bond, chain.now)
    chain.advance_to(bond.matures)
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
    assert A in mature.holders()
    with refused("AccountIsBlocked(address)", A):
        mature.redeem_at_maturity(A, redeemer)


def test_needs_the_role(mature: Asset, stranger: ChecksumAddress) -> None:
    with refused("AccountHasNoRole(address,bytes32)", stranger, mature.roles.maturity_redeemer):
        mature.redeem_at_maturity(A, stranger)


def test_not_before_maturity(chain: Chain, bond: Asset, redeemer: ChecksumAddress) -> None:
    # Version 2 also refuses on the maturity date itself.
    last = bond.matures - (0 if bond.release.version == "2.0.0" else 1)
    chain.advance_to(last - 1)
    with refused(bond.release.not_mature_error):
        bond.redeem_at_maturity(A, redeemer)
    assert chain.now == last
    bond.redeem_at_maturity(A, redeemer)


def test_not_while_paused(mature: Asset, redeemer: ChecksumAddress) -> None:
    mature.pause()
    with refused(mature.release.paused_error):
        mature.redeem_at_maturity(A, redeemer)


def test_bonds_change_hands_after_maturity(mature: Asset, redeemer: ChecksumAddress) -> None:
    mature.transfer(A, NEW, UNIT)
    assert principal(mature, NEW) == NOMINAL_VALUE * UNIT
