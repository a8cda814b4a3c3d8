"""Pure rules: effects of windows, the listener's verbs and refusals, pending rates, what tokens may tell."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_sync_service.domain.blocks import Block, BlockRef
from chain_sync_service.domain.facts import Fact, FactKind, PartitionTransfer, RawLog, SupplyChange, Transfer
from chain_sync_service.domain.holdings import (
    Fold,
    Holding,
    HoldingChange,
    WindowEffects,
    window_effects,
    without_repeated_snapshots,
)
from chain_sync_service.domain.listener import (
    LEGAL_TRANSITIONS,
    Contracts,
    Doubt,
    HolderBalancesChanged,
    HolderSource,
    IllegalTransitionError,
    Listener,
    ListenerState,
    NextReading,
)
from chain_sync_service.domain.pending_rates import PendingRate, pending_rate
from chain_sync_service.domain.tokens import (
    MAX_TEXT_LENGTH,
    PaymentTokenDescription,
    SecurityType,
    TokenDescription,
    clean_text,
    security_type,
)
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from tests.unit.chain_sync_service.fake_chain import CONTRACTS, NOBODY, NOW, TOKEN, holder

# --- effects of a window -----------------------------------------------------------------------------------------


def log(transaction: int = 1, block: int = 1) -> RawLog:
    return RawLog(TOKEN.value, (), b"", BlockNumber(block), "0xb", f"0x{transaction}", 0)


def transfer(sender: str, receiver: str, amount: int, *, transaction: int = 1, block: int = 1) -> Transfer:
    return Transfer(log(transaction, block), sender, receiver, amount)


def told(account: str, amount: int, *, transaction: int = 1) -> SupplyChange:
    return SupplyChange(log(transaction), account, amount)


def by_partition(sender: str, receiver: str, amount: int, *, transaction: int = 1) -> PartitionTransfer:
    return PartitionTransfer(log(transaction), sender, receiver, amount)


def effects(
    transfers: list[Transfer],
    supply_changes: list[SupplyChange] | None = None,
    partition_transfers: list[PartitionTransfer] | None = None,
    facts: list[Fact] | None = None,
    *,
    trusts_folding: bool = True,
) -> WindowEffects:
    return window_effects(
        transfers, supply_changes or [], partition_transfers or [], facts or [], trusts_folding=trusts_folding
    )


def test_an_issue_and_a_redemption_that_are_told_are_folded() -> None:
    found = effects(
        [transfer(NOBODY, holder(1), 10), transfer(holder(1), NOBODY, 4, block=2)],
        [told(holder(1), 10), told(holder(1), 4)],
    )
    assert found == WindowEffects((Fold(holder(1), 6, BlockNumber(2)),), frozenset(), reads_everybody=False)


@pytest.mark.parametrize(
    "supply_changes",
    [
        [],
        [told(holder(1), 5)],
        [told(holder(2), 10)],
        [told(holder(1), 10, transaction=2)],
    ],
)
def test_a_transfer_to_nobody_that_nothing_explains_is_read(supply_changes: list[SupplyChange]) -> None:
    found = effects([transfer(holder(1), NOBODY, 10), transfer(holder(3), holder(4), 1)], supply_changes)
    assert found.to_read == {holder(1), *(each.holder for each in supply_changes)}
    assert [fold.holder for fold in found.folds] == [holder(3), holder(4)]


def test_one_redemption_explains_one_transfer() -> None:
    twice = [transfer(holder(1), NOBODY, 10), transfer(holder(1), NOBODY, 10)]
    assert effects(twice, [told(holder(1), 10)]).to_read == {holder(1)}
    assert effects(twice, [told(holder(1), 10)] * 2).to_read == frozenset()


@pytest.mark.parametrize("partition_transfers", [[], [by_partition(holder(1), NOBODY, 4)]])
def test_a_redemption_without_a_transfer_is_read(partition_transfers: list[PartitionTransfer]) -> None:
    """Version 7 tells it by partition, the npm package 2.0.0 not even that (docs/contract-surprises.md#20)."""
    bought = transfer(holder(2), holder(1), 4)
    found = effects([bought], [told(holder(1), 4)], [by_partition(holder(2), holder(1), 4), *partition_transfers])
    assert found == WindowEffects(
        (Fold(holder(2), -4, BlockNumber(1)),), frozenset({holder(1)}), reads_everybody=False
    )


def test_of_two_partitions_that_are_redeemed_each_is_told_and_the_holder_read() -> None:
    burns = [told(holder(1), 4), told(holder(1), 6)]
    transfers = [transfer(holder(1), NOBODY, 4)]
    assert effects(transfers, burns).to_read == {holder(1)}
    assert effects([*transfers, transfer(holder(1), NOBODY, 6)], burns).to_read == frozenset()


def test_who_is_named_by_a_partition_alone_is_read() -> None:
    partition_transfers = [
        by_partition(holder(1), holder(2), 5),
        by_partition(holder(1), holder(2), 5),
        by_partition(holder(3), holder(4), 7),
        by_partition(holder(5), holder(6), 7, transaction=2),
    ]
    transfers = [transfer(holder(1), holder(2), 5), transfer(holder(3), holder(4), 7)]
    found = effects(transfers, [], partition_transfers)
    assert found.to_read == {holder(1), holder(2), holder(5), holder(6)}
    assert [fold.holder for fold in found.folds] == [holder(3), holder(4)]


def test_a_snapshot_that_is_told_as_taken_and_as_triggered_is_one() -> None:
    def snapshot(number: int, scheduled: str, transaction: int = 1) -> Fact:
        details = {"snapshot_id": str(number), "scheduled": scheduled}
        return Fact(FactKind.SNAPSHOT_TAKEN, log(transaction), details)

    adjusted = Fact(FactKind.BALANCES_ADJUSTED, log())
    facts = [snapshot(1, "true"), snapshot(2, "true"), snapshot(2, "false"), snapshot(2, "true", 2), adjusted]
    assert without_repeated_snapshots(facts) == [facts[0], *facts[2:]]


def test_a_transfer_from_nobody_to_nobody_tells_nothing() -> None:
    assert effects([transfer(NOBODY, NOBODY, 7)]) == WindowEffects((), frozenset(), reads_everybody=False)


def test_whom_a_fact_touches_is_read_and_not_folded() -> None:
    facts = [
        Fact(FactKind.HOLDER_RESTRICTION_CHANGED, log(), touched=(holder(1), NOBODY)),
        Fact(FactKind.BALANCES_ADJUSTED, log(), touches_everybody=True),
    ]
    found = effects([transfer(holder(1), holder(2), 3)], facts=facts)
    assert found == WindowEffects(
        (Fold(holder(2), 3, BlockNumber(1)),), frozenset({holder(1)}), reads_everybody=True
    )


def test_without_trust_everybody_whom_a_transfer_names_is_read() -> None:
    transfers = [transfer(NOBODY, holder(1), 10), transfer(holder(2), holder(3), 1)]
    supply_changes = [told(holder(1), 10), told(holder(4), 3)]
    found = effects(transfers, supply_changes, [by_partition(holder(5), holder(6), 1)], trusts_folding=False)
    assert found.to_read == {holder(number) for number in range(1, 7)}
    assert found.folds == ()


def test_who_comes_out_even_is_left_out() -> None:
    transfers = [
        transfer(holder(1), holder(2), 5),
        transfer(holder(2), holder(1), 5),
        transfer(holder(3), holder(3), 9),
        transfer(holder(4), holder(5), 0),
    ]
    assert effects(transfers).folds == ()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**256 - 1)), max_size=40))
def test_folds_sum_to_what_was_issued_less_what_was_redeemed(moves: list[tuple[int, int, int]]) -> None:
    transfers = [transfer(holder(sender), holder(receiver), amount) for sender, receiver, amount in moves]
    supply_changes = [
        told(each.receiver if each.sender == NOBODY else each.sender, each.amount)
        for each in transfers
        if (each.sender == NOBODY) != (each.receiver == NOBODY)
    ]
    found = effects(transfers, supply_changes)
    issued = sum(amount for sender, _, amount in moves if sender == 0)
    redeemed = sum(amount for _, receiver, amount in moves if receiver == 0)
    assert sum(fold.delta for fold in found.folds) == issued - redeemed
    assert NOBODY not in {fold.holder for fold in found.folds}
    assert not found.to_read


# --- the listener ------------------------------------------------------------------------------------------------


def new_listener(holder_source: HolderSource = HolderSource.LOGS, start_block: int = 0) -> Listener:
    return Listener.begin(
        uuid4(),
        CONTRACTS,
        start_block=BlockNumber(start_block),
        holder_source=holder_source,
        window_blocks=10,
        now=NOW,
    )


def block(number: int) -> Block:
    return Block(BlockNumber(number), f"0x{number}", NOW + timedelta(seconds=number))


def gain(number: int, amount: int, at: int = 1) -> HoldingChange:
    return HoldingChange(holder(number), Holding(), Holding(amount), BlockNumber(at))


def advanced(
    listener: Listener,
    number: int,
    *changes: HoldingChange,
    is_caught_up: bool = True,
    has_stale: bool = False,
    supply: int | None = None,
) -> tuple[Listener, list[HolderBalancesChanged]]:
    return listener.advance(
        block(number),
        changes,
        is_caught_up=is_caught_up,
        has_stale=has_stale,
        supply_base_units=supply,
        position_event_blocks=5,
        max_window_blocks=10,
        now=NOW,
    )


def following(number: int = 7, *changes: HoldingChange) -> Listener:
    return advanced(new_listener(), number, *changes)[0]


def reading() -> Listener:
    return advanced(new_listener(), 7, gain(1, 10), has_stale=True)[0]


def test_a_window_must_lead_forward() -> None:
    with pytest.raises(ValueError, match="behind block 7"):
        advanced(following(7), 7)
    with pytest.raises(ValueError, match="behind block 4"):
        advanced(new_listener(start_block=5), 4)


@pytest.mark.parametrize(
    ("has_stale", "supply", "state"),
    [
        (False, None, ListenerState.FOLLOWING),
        (False, 10, ListenerState.FOLLOWING),
        (False, 11, ListenerState.READING),
        (True, 10, ListenerState.READING),
    ],
)
def test_a_range_is_complete_only_if_nothing_is_stale_and_the_holdings_sum_to_the_supply(
    has_stale: bool, supply: int | None, state: ListenerState
) -> None:
    moved, (event,) = advanced(new_listener(), 7, gain(1, 10), has_stale=has_stale, supply=supply)
    assert moved.state is state
    assert event.is_range_complete is (state is ListenerState.FOLLOWING)
    assert moved.is_range_open is not event.is_range_complete
    assert moved.total_base_units == 10


def test_a_window_that_is_not_the_last_completes_nothing() -> None:
    moved, (event,) = advanced(new_listener(), 7, gain(1, 10), is_caught_up=False)
    assert (moved.state, event.is_range_complete) == (ListenerState.BACKFILLING, False)
    _, (end,) = advanced(moved, 9)
    assert (end.changes, end.is_range_complete, end.from_block) == ((), True, 8)


def test_a_known_gap_is_no_reason_to_read() -> None:
    listener = replace(following(7, gain(1, 10)), supply_gap_base_units=3)
    assert advanced(listener, 9, supply=13)[0].state is ListenerState.FOLLOWING
    assert advanced(listener, 9, supply=10)[0].state is ListenerState.READING


def test_a_reading_tries_everybody_then_the_list_and_then_names_the_gap() -> None:
    one, _, todo = reading().read_all([gain(2, 5)], 20, now=NOW)
    assert (todo, one.state, one.doubt) == (NextReading.EVERYBODY, ListenerState.READING, Doubt.EVERYBODY_READ)
    two, _, todo = one.read_all([], 20, now=NOW)
    assert (todo, two.state, two.doubt) == (NextReading.NONE, ListenerState.LISTING, Doubt.LISTED_AGAIN)
    three = two.list_page(count=0, holder_count=0, is_last=True, now=NOW)
    four, (event,), todo = three.read_all([], 20, now=NOW)
    assert (todo, four.state, four.doubt) == (NextReading.NONE, ListenerState.FOLLOWING, Doubt.NONE)
    assert (four.supply_gap_base_units, event.is_range_complete) == (5, True)


@pytest.mark.parametrize("supply", [None, 15])
def test_a_reading_that_agrees_with_the_supply_completes_the_range(supply: int | None) -> None:
    some, (part,) = reading().read_some([gain(3, 0)], now=NOW)
    done, (event,), _ = replace(some, supply_gap_base_units=4).read_all([gain(2, 5)], supply, now=NOW)
    assert (part.is_range_complete, event.is_range_complete) == (False, True)
    assert (done.state, done.supply_gap_base_units, done.is_range_open) == (ListenerState.FOLLOWING, 0, False)
    assert [part.sequence, event.sequence] == [2, 3]


def test_a_rewind_must_lead_back() -> None:
    for listener in (new_listener(), following(7)):
        with pytest.raises(ValueError, match="lead back"):
            listener.rewind(BlockRef(BlockNumber(8), "0x1"), has_stale=False, now=NOW)


def test_a_rewind_of_blocks_that_nobody_was_told_of_needs_no_reading() -> None:
    listener = replace(following(7), announced_block=BlockNumber(3))
    back = listener.rewind(BlockRef(BlockNumber(5), "0x5"), has_stale=False, now=NOW)
    assert (back.state, back.position) == (ListenerState.FOLLOWING, BlockRef(BlockNumber(5), "0x5"))
    assert (back.announced_block, back.is_range_open) == (3, False)


@pytest.mark.parametrize(
    ("listener", "has_stale"),
    [
        (following(7), False),
        (replace(following(7), announced_block=BlockNumber(3), is_range_open=True), False),
        (replace(following(7), announced_block=BlockNumber(3)), True),
        (reading(), True),
    ],
)
def test_a_rewind_is_compared_with_the_chain_before_it_is_told(listener: Listener, has_stale: bool) -> None:
    back = listener.rewind(BlockRef(BlockNumber(5), "0x5"), has_stale=has_stale, now=NOW)
    assert (back.state, back.is_range_open, back.last_sequence) == (
        ListenerState.READING,
        True,
        listener.last_sequence,
    )
    _, (event,), _ = back.read_all([], None, now=NOW)
    assert (event.from_block, event.to_block, event.is_range_complete) == (
        min((listener.announced_block or 0) + 1, 5),
        BlockRef(BlockNumber(5), "0x5"),
        True,
    )


def test_a_rewind_to_the_beginning_reads_windows_again() -> None:
    for listener in (following(7), reading()):
        back = listener.rewind(None, has_stale=True, now=NOW)
        assert (back.state, back.position, back.is_range_open) == (ListenerState.FOLLOWING, None, True)


def test_an_import_by_list_that_lost_its_block_begins_again() -> None:
    listing = new_listener(HolderSource.LIST).begin_listing(block(9), 3, now=NOW)
    assert (listing.position, listing.start_block) == (block(9).ref, 10)
    listing = listing.list_page(count=2, holder_count=3, is_last=False, now=NOW)
    left = listing.leave_position("forgotten", due_time=NOW)
    assert (left.state, left.position, left.listing.next_page) == (ListenerState.LISTING, None, 0)


def test_a_listing_in_doubt_is_no_import_and_keeps_its_start() -> None:
    listing = replace(following(7), state=ListenerState.LISTING, last_sequence=0)
    left = listing.leave_position("forgotten", due_time=NOW)
    assert (left.state, left.position, left.start_block) == (ListenerState.FOLLOWING, block(7).ref, 0)


def test_a_replay_ends_where_it_began_and_completes_the_range_then() -> None:
    replaying = following(9).replay(BlockRef(BlockNumber(2), "0x2"), from_block=BlockNumber(3), now=NOW)
    assert (replaying.state, replaying.is_replaying) == (ListenerState.BACKFILLING, True)
    assert (
        replaying.window_size(safe_block=BlockNumber(100), position_block=BlockNumber(2), max_window_blocks=10)
        == 7
    ), "a window ends with the replay"
    half, events = advanced(replaying, 5)
    assert (half.is_replaying, events) == (True, [])
    done, (event,) = advanced(half, 9)
    assert (done.is_replaying, done.state, event.is_range_complete) == (False, ListenerState.FOLLOWING, True)


def test_a_replay_needs_an_earlier_block_and_a_listener_that_follows() -> None:
    with pytest.raises(ValueError, match="before the position"):
        following(7).replay(BlockRef(BlockNumber(7), "0x7"), from_block=BlockNumber(8), now=NOW)
    with pytest.raises(ValueError, match="is not done"):
        reading().replay(BlockRef(BlockNumber(2), "0x2"), from_block=BlockNumber(3), now=NOW)


@pytest.mark.parametrize(("list_again", "state"), [(True, ListenerState.LISTING), (False, ListenerState.READING)])
def test_a_refresh_reads_or_lists_unless_there_is_no_position(list_again: bool, state: ListenerState) -> None:
    assert following(7).refresh(list_again=list_again, now=NOW).state is state
    new = new_listener()
    assert new.refresh(list_again=list_again, now=NOW) == replace(new, version=2)


def test_events_of_the_asset_are_obeyed_in_their_order() -> None:
    listener = new_listener()
    contracts = Contracts(TOKEN)
    stopped = listener.obey(contracts, is_enabled=False, asset_version=3, now=NOW)
    assert (stopped.is_stopped, stopped.contracts) == (True, contracts)
    assert stopped.obey(CONTRACTS, is_enabled=True, asset_version=3, now=NOW) == stopped
    assert stopped.obey(CONTRACTS, is_enabled=True, asset_version=2, now=NOW) == stopped
    started = stopped.obey(CONTRACTS, is_enabled=True, asset_version=4, now=NOW)
    assert (started.is_stopped, started.contracts) == (False, CONTRACTS)


def test_a_listener_keeps_its_token() -> None:
    with pytest.raises(ValueError, match="keeps its token"):
        new_listener().follow(Contracts(EvmAddress(holder(3))), NOW)


def test_windows_are_bounded_and_grow_by_a_quarter_once_a_full_one_passed() -> None:
    small = new_listener().with_window(0, error="", due_time=NOW)
    assert small.window_blocks == 1
    assert advanced(replace(small, window_blocks=4), 4)[0].window_blocks == 5
    assert advanced(replace(small, window_blocks=4), 3)[0].window_blocks == 4
    assert advanced(replace(small, window_blocks=9), 9)[0].window_blocks == 10


@pytest.mark.parametrize(
    ("change", "end_block", "has_found", "needs"),
    [
        ({}, 8, False, False),
        ({}, 8, True, True),
        ({}, 12, False, True),
        ({"is_range_open": True}, 8, False, True),
        ({"state": ListenerState.BACKFILLING}, 8, False, True),
    ],
)
def test_the_supply_is_compared_wherever_a_range_is_completed(
    change: dict[str, object], end_block: int, has_found: bool, needs: bool
) -> None:
    listener = replace(following(7), **change)  # type: ignore[arg-type]
    assert listener.needs_supply(BlockNumber(end_block), has_found, position_event_blocks=5) is needs


def test_transitions_are_those_of_the_table() -> None:
    listener = new_listener()
    for before in ListenerState:
        for after in ListenerState:
            subject = replace(listener, state=before)
            if after is before or after in LEGAL_TRANSITIONS[before]:
                assert subject._to(after).state is after
            else:
                with pytest.raises(IllegalTransitionError):
                    subject._to(after)


def test_verbs_of_another_state_are_defects() -> None:
    with pytest.raises(IllegalTransitionError):
        following().read_some([], now=NOW)
    with pytest.raises(IllegalTransitionError):
        following().list_page(count=0, holder_count=0, is_last=True, now=NOW)
    with pytest.raises(IllegalTransitionError):
        reading().begin_listing(block(9), 0, now=NOW)


# --- pending rates -----------------------------------------------------------------------------------------------


def coupon(seen_as: FactKind = FactKind.CORPORATE_ACTION_ANNOUNCED, **details: str) -> Fact:
    return Fact(seen_as, log(), {"kind": "COUPON", "action_id": "7", "rate_set": "false", **details})


def test_only_a_coupon_without_a_rate_is_asked_for() -> None:
    assert pending_rate(coupon(), NOW) == PendingRate(coupon(), NOW)
    for other in (
        coupon(rate_set="true"),
        coupon(kind="DIVIDEND"),
        coupon(FactKind.CORPORATE_ACTION_RATE_SET),
    ):
        assert pending_rate(other, NOW) is None


def test_it_is_asked_for_less_and_less_often_but_once_an_hour_at_least() -> None:
    rate, waits = PendingRate(coupon(), NOW), []
    for _ in range(14):
        later = rate.asked_in_vain(rate.ask_time)
        waits.append((later.ask_time - rate.ask_time).total_seconds())
        rate = later
    assert waits == [*(2**step for step in range(12)), 3600, 3600]
    assert rate.action_id == 7


# --- tokens ------------------------------------------------------------------------------------------------------


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


def described(*, decimals: int = 2, holder_count: int = 1) -> TokenDescription:
    kind = SecurityType.BOND
    return TokenDescription(
        chain_id=1,
        token=TOKEN,
        hedera_id="",
        display_name="X",
        symbol="X",
        isin="X",
        decimals=decimals,
        security_type=kind,
        total_supply=1,
        holder_count=holder_count,
        is_paused=False,
        block_number=BlockNumber(1),
    )


@pytest.mark.parametrize("decimals", [-1, 78, 255])
def test_decimals_that_no_amount_can_have_are_refused(decimals: int) -> None:
    with pytest.raises(ValueError, match="decimals"):
        PaymentTokenDescription(chain_id=1, token=TOKEN, hedera_id="", symbol="X", decimals=decimals)
    with pytest.raises(ValueError, match="figures"):
        described(decimals=decimals)


def test_a_holder_count_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="figures"):
        described(holder_count=2**63)
