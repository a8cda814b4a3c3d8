"""Pure rules: net changes, the aggregate's refusals, what tokens may tell."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_sync_service.domain.blocks import BlockRef, Transfer
from chain_sync_service.domain.followed_token import (
    LEGAL_TRANSITIONS,
    FollowedToken,
    FollowState,
    IllegalTransitionError,
)
from chain_sync_service.domain.holder_changes import HolderChange, net_changes
from chain_sync_service.domain.tokens import (
    MAX_TEXT_LENGTH,
    PaymentTokenDescription,
    SecurityType,
    TokenDescription,
    clean_text,
    security_type,
)
from tests.unit.chain_sync_service.fakes import NOBODY, NOW, TOKEN, holder


def transfer(sender: str, receiver: str, amount: int, block: int = 1) -> Transfer:
    return Transfer("0x01", 0, block, sender, receiver, amount)


def test_an_issue_and_a_redemption_change_one_holder() -> None:
    changes = net_changes([transfer(NOBODY, holder(1), 10), transfer(holder(1), NOBODY, 4, block=2)])
    assert changes == [HolderChange(holder(1), 6, 2)]


def test_who_comes_out_even_is_left_out() -> None:
    there_and_back = [transfer(holder(1), holder(2), 5), transfer(holder(2), holder(1), 5)]
    assert (
        net_changes([*there_and_back, transfer(holder(3), holder(3), 9), transfer(holder(4), holder(5), 0)]) == []
    )


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**256 - 1)), max_size=40))
def test_the_changes_sum_to_what_was_issued_less_what_was_redeemed(moves: list[tuple[int, int, int]]) -> None:
    changes = net_changes(transfer(holder(sender), holder(receiver), amount) for sender, receiver, amount in moves)
    issued = sum(amount for sender, _, amount in moves if sender == 0)
    redeemed = sum(amount for _, receiver, amount in moves if receiver == 0)
    assert sum(change.delta for change in changes) == issued - redeemed
    assert NOBODY not in {change.holder for change in changes}


def new_token() -> FollowedToken:
    return FollowedToken.begin(uuid4(), TOKEN, 0, 10, NOW)


def advance(token: FollowedToken, number: int) -> FollowedToken:
    moved, _ = token.advance(
        BlockRef(number, "0x1"), [], is_caught_up=True, position_event_blocks=5, max_window_blocks=10, now=NOW
    )
    return moved


def test_a_window_must_lead_forward() -> None:
    with pytest.raises(ValueError, match="behind block 7"):
        advance(advance(new_token(), 7), 7)


def test_a_rewind_must_lead_back() -> None:
    with pytest.raises(ValueError, match="lead back"):
        new_token().rewind(BlockRef(0, "0x1"), [], now=NOW)
    with pytest.raises(ValueError, match="lead back"):
        advance(new_token(), 7).rewind(BlockRef(8, "0x1"), [], now=NOW)


def test_a_rewind_cannot_take_back_what_was_never_told() -> None:
    token = replace(advance(new_token(), 7), announced_block=3)
    with pytest.raises(ValueError, match="announced"):
        token.rewind(BlockRef(5, "0x1"), [HolderChange(holder(1), -1, 5)], now=NOW)


def test_a_rewind_of_blocks_that_nobody_was_told_of_is_silent() -> None:
    token = replace(advance(new_token(), 7), announced_block=3)
    rewound, events = token.rewind(BlockRef(5, "0x1"), [], now=NOW)
    assert events == []
    assert (rewound.announced_block, rewound.last_sequence) == (3, token.last_sequence)


def test_transitions_are_those_of_the_table() -> None:
    token = new_token()
    for before in FollowState:
        for after in FollowState:
            subject = replace(token, state=before)
            if after is before or after in LEGAL_TRANSITIONS[before]:
                assert subject._to(after) is after
            else:
                with pytest.raises(IllegalTransitionError):
                    subject._to(after)


@pytest.mark.parametrize(
    ("code", "kind"), [(0, SecurityType.BOND), (1, SecurityType.EQUITY), (255, SecurityType.BOND)]
)
def test_everything_but_an_equity_is_a_bond(code: int, kind: SecurityType) -> None:
    assert security_type(code) is kind


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  Acme\x00 \n Corp\u202e ", "Acme Corp"),
        ("x" * 999, "x" * MAX_TEXT_LENGTH),
        ("\ufffe", ""),
        ("Ünï", "Ünï"),
    ],
)
def test_texts_are_made_fit_to_store_and_show(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize("decimals", [-1, 78, 255])
def test_decimals_that_no_amount_can_have_are_refused(decimals: int) -> None:
    with pytest.raises(ValueError, match="decimals"):
        PaymentTokenDescription(1, TOKEN, "X", decimals)
    with pytest.raises(ValueError, match="figures"):
        TokenDescription(1, TOKEN, "X", "X", "X", decimals, SecurityType.BOND, 1, 1, 1)


def test_a_holder_count_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="figures"):
        TokenDescription(1, TOKEN, "X", "X", "X", 2, SecurityType.BOND, 1, 2**63, 1)
