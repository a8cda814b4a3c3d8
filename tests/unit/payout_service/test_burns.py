"""Tokens burned, whatever forms tell it: Hypothesis against a count that knows the truth."""

from hypothesis import given
from hypothesis import strategies as st

from libs.chain.quantities import HolderAddress, TokenUnits
from payout_service.domain.burns import BurnForm, BurnLog, burned_tokens

HOLDERS = (HolderAddress("0xa"), HolderAddress("0xb"))
# Of each version: the forms that tell one partition's burn.
FORMS = (
    (BurnForm.REDEEMED_BY_PARTITION,),
    (BurnForm.TRANSFER_BY_PARTITION, BurnForm.REDEEMED_BY_PARTITION),
    (BurnForm.TRANSFER, BurnForm.REDEEMED_BY_PARTITION),
    (BurnForm.TRANSFER_BY_PARTITION, BurnForm.REDEEMED_BY_PARTITION, BurnForm.TRANSFER),
)


@given(
    forms=st.sampled_from(FORMS),
    parts=st.lists(st.tuples(st.sampled_from(HOLDERS), st.integers(min_value=1, max_value=10**30)), max_size=6),
    seed=st.randoms(use_true_random=False),
)
def test_each_burn_is_counted_once(
    forms: tuple[BurnForm, ...], parts: list[tuple[str, int]], seed: object
) -> None:
    logs = [BurnLog(form, HolderAddress(holder), TokenUnits(amount)) for holder, amount in parts for form in forms]
    seed.shuffle(logs)  # type: ignore[attr-defined]
    burned = {each: sum(amount for holder, amount in parts if holder == each) for each in HOLDERS}
    assert burned_tokens(logs) == {each: amount for each, amount in burned.items() if amount}


@given(amount=st.integers(min_value=1, max_value=10**30))
def test_transfers_to_nobody_alone_burn_nothing(amount: int) -> None:
    """A lock and a hold tell both."""
    lock = [
        BurnLog(BurnForm.TRANSFER_BY_PARTITION, HolderAddress("0xa"), TokenUnits(amount)),
        BurnLog(BurnForm.TRANSFER, HolderAddress("0xa"), TokenUnits(amount)),
    ]
    assert burned_tokens(lock) == burned_tokens(lock[:1]) == burned_tokens(lock[1:]) == {}


def test_logs_that_contradict_each_other_tell_no_number() -> None:
    redeemed = BurnLog(BurnForm.REDEEMED_BY_PARTITION, HolderAddress("0xa"), TokenUnits(10))
    for form in (BurnForm.TRANSFER_BY_PARTITION, BurnForm.TRANSFER):
        assert burned_tokens([redeemed, BurnLog(form, HolderAddress("0xa"), TokenUnits(9))]) == {"0xa": None}
        assert burned_tokens([redeemed, BurnLog(form, HolderAddress("0xb"), TokenUnits(9))]) == {"0xa": 10}
