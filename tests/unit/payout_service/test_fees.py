"""What is offered per gas: first, in a replacement, and for a no-op in the place of an attempt."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chain.quantities import Wei
from payout_service.domain.fees import FeeCapReachedError, FeeQuote, Fees, first_fees, no_op_fees, replacement_fees

GWEI = 10**9
CAP = Wei(500 * GWEI)
# Nodes refuse a replacement that does not offer a tenth more in every field (geth's default).
LEAST_RAISE = Fraction(11, 10)


def _asked(gas_price: int, base_fee: int | None = None, priority_fee: int = 0) -> FeeQuote:
    return FeeQuote(
        Wei(gas_price),
        base_fee_wei=None if base_fee is None else Wei(base_fee),
        priority_fee_wei=Wei(priority_fee),
    )


def _offered(max_fee: int, priority_fee: int | None) -> Fees:
    return Fees(
        max_fee_per_gas_wei=Wei(max_fee),
        max_priority_fee_per_gas_wei=None if priority_fee is None else Wei(priority_fee),
    )


wei = st.integers(min_value=0, max_value=10**13)
market = st.builds(FeeQuote, gas_price_wei=wei, base_fee_wei=wei, priority_fee_wei=wei)
legacy = st.builds(FeeQuote, gas_price_wei=wei)
previous_fees = st.builds(
    lambda fee, tip: _offered(max(fee, tip), tip),
    st.integers(1, 10**13),
    st.integers(min_value=1, max_value=10**13),
)


def test_the_first_offer_outlasts_six_full_blocks() -> None:
    fees = first_fees(_asked(12 * GWEI, 10 * GWEI, GWEI), CAP)
    assert fees == _offered(21 * GWEI, GWEI)
    assert 10 * GWEI * Fraction(9, 8) ** 6 <= fees.max_fee_per_gas_wei


def test_a_chain_without_a_base_fee_gets_what_it_asks_for() -> None:
    assert first_fees(_asked(7 * GWEI), CAP) == _offered(7 * GWEI, None)


def test_a_base_fee_of_zero_is_still_a_base_fee() -> None:
    assert first_fees(_asked(7, 0, 3), CAP) == _offered(3, 3)


@pytest.mark.parametrize(
    "quote",
    [_asked(CAP + 1), _asked(0, CAP + 1, 0)],
)
def test_more_than_the_cap_is_never_offered_first(quote: FeeQuote) -> None:
    with pytest.raises(FeeCapReachedError, match=f"{CAP + 1} wei per gas are asked for, the cap is {CAP}"):
        first_fees(quote, CAP)


def test_at_the_cap_itself_is_still_an_offer() -> None:
    assert first_fees(_asked(CAP), CAP) == _offered(CAP, None)
    assert first_fees(_asked(0, CAP, GWEI), CAP) == _offered(CAP, GWEI)
    assert first_fees(_asked(0, GWEI, 2 * CAP), CAP) == _offered(CAP, CAP), "the tip is within the fee"


@given(quote=st.one_of(market, legacy))
def test_no_first_offer_exceeds_the_cap_or_its_own_fee(quote: FeeQuote) -> None:
    try:
        fees = first_fees(quote, CAP)
    except FeeCapReachedError:
        return
    assert fees.max_fee_per_gas_wei <= CAP
    assert (fees.max_priority_fee_per_gas_wei is None) == (quote.base_fee_wei is None)
    assert (fees.max_priority_fee_per_gas_wei or 0) <= fees.max_fee_per_gas_wei


@given(previous=previous_fees, quote=market)
def test_a_replacement_raises_every_field_and_offers_at_least_what_is_asked(
    previous: Fees, quote: FeeQuote
) -> None:
    try:
        fees = replacement_fees(previous, quote, CAP)
    except FeeCapReachedError:
        return
    asked = first_fees(quote, CAP)
    tip, previous_tip = fees.max_priority_fee_per_gas_wei, previous.max_priority_fee_per_gas_wei
    assert tip is not None
    assert previous_tip is not None
    for new, old in ((fees.max_fee_per_gas_wei, previous.max_fee_per_gas_wei), (tip, previous_tip)):
        assert new >= old * LEAST_RAISE
        assert new > old
    assert asked.max_fee_per_gas_wei <= fees.max_fee_per_gas_wei <= CAP
    assert (asked.max_priority_fee_per_gas_wei or 0) <= tip <= fees.max_fee_per_gas_wei


def test_an_eighth_is_rounded_up() -> None:
    assert replacement_fees(_offered(1, 1), _asked(0, 0, 0), CAP) == _offered(2, 2)
    assert replacement_fees(_offered(801, 801), _asked(0, 0, 0), CAP) == _offered(902, 902)
    assert replacement_fees(_offered(800, None), _asked(0), CAP) == _offered(900, None)


def test_a_replacement_that_would_need_more_than_the_cap_is_not_made() -> None:
    at_the_cap = _offered(CAP, GWEI)
    with pytest.raises(FeeCapReachedError, match=f"the cap is {CAP}"):
        replacement_fees(at_the_cap, _asked(0, GWEI, GWEI), CAP)
    with pytest.raises(FeeCapReachedError):
        replacement_fees(_offered(GWEI, GWEI), _asked(0, CAP + 1, GWEI), CAP)


@given(previous=previous_fees, quote=st.one_of(market, legacy))
def test_a_no_op_never_offers_more_than_the_cap(previous: Fees, quote: FeeQuote) -> None:
    fees = no_op_fees(previous, quote, CAP)
    assert fees.max_fee_per_gas_wei <= CAP
    assert (fees.max_priority_fee_per_gas_wei or 0) <= fees.max_fee_per_gas_wei
    if fees.max_fee_per_gas_wei < CAP:
        assert fees.max_fee_per_gas_wei >= previous.max_fee_per_gas_wei * LEAST_RAISE


def test_a_no_op_is_made_even_where_the_chain_asks_for_more_than_the_cap() -> None:
    """It may be the only way out for a nonce; a node that refuses it leaves what is out to decide."""
    assert no_op_fees(_offered(CAP, GWEI), _asked(0, 2 * CAP, GWEI), CAP) == _offered(CAP, GWEI * 9 // 8)
    assert no_op_fees(_offered(CAP, None), _asked(2 * CAP), CAP) == _offered(CAP, None)
