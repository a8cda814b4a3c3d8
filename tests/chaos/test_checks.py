"""The run's own judgement: each check knows its state from others; the table is the code's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from tests.chaos import checks
from tests.chaos.cases import CASES, table_differences
from tests.chaos.final import LedgerEntry, amounts_owed, at_the_end
from tests.chaos.found import Attempt, Batch, Before, Books, Chain, Found, Intent, Payment, Payout, Sent, Transfer

_ALICE, _BOB = "0x" + "a1" * 20, "0x" + "b0" * 20
_OWED = {_ALICE: 700, _BOB: 0}
_HASH = "0x" + "11" * 32
_KEY = "batch/1/1"
_PAYOUT = Payout("EXECUTING", 7, 1, 2, 2, "hash", 700, 1, 0, 0, 0)
_BATCH = Batch(1, 1, 700, _KEY, None)
_IN_FLIGHT = Payment(_ALICE, 700, "IN_FLIGHT", 1, "")
_ZERO_DUE = Payment(_BOB, 0, "ZERO_DUE", None, "")


def _intent(state: str, nonce: int | None = 5, *, is_recorded_as_sent: bool = False) -> Intent:
    attempts = () if nonce is None else (Attempt(_HASH, is_recorded_as_sent),)
    return Intent(_KEY, "BATCH", state, nonce, _HASH if state == "SUCCEEDED" else None, attempts)


def _found(intent: Intent, *, block: int | None = None, is_sent: bool = False) -> Found:
    """One batch with one payee; its transaction is on the chain or is not."""
    sent = {_HASH: Sent(5, block)} if is_sent else {}
    has_paid = block is not None
    books = Books(
        payout=_PAYOUT,
        contract_state="READY",
        next_nonce=5 if intent.nonce is None else 6,
        intents=(intent,),
        batches=(_BATCH,),
        payments=(_IN_FLIGHT, _ZERO_DUE),
        committed_base_units=700,
        events={7: "payout_progressed"},
    )
    chain = Chain(
        sent=sent,
        received={_ALICE: 700 if has_paid else 0, _BOB: 0},
        transfers=(Transfer(_ALICE, 700, _HASH),) if has_paid else (),
        snapshots={},
        contract_change_base_units=-700 if has_paid else 0,
    )
    return Found(Before(5), 701, _OWED, books, chain)


_CREATED = _found(_intent("CREATED", None))
_JOURNALED = _found(_intent("SIGNED"))
_SENT = _found(_intent("SIGNED"), is_sent=True)
_RECORDED = _found(_intent("BROADCAST", is_recorded_as_sent=True), is_sent=True)
_REPLACED = replace(
    _RECORDED,
    books=replace(
        _RECORDED.books,
        intents=tuple(
            replace(intent, attempts=(*intent.attempts, Attempt("0x22", is_recorded_as_sent=False)))
            for intent in _RECORDED.books.intents
        ),
    ),
)
_MINED = _found(_intent("BROADCAST", is_recorded_as_sent=True), is_sent=True, block=9)
_FINAL = _found(_intent("SUCCEEDED", is_recorded_as_sent=True), is_sent=True, block=9)
_SETTLED = replace(
    _FINAL,
    books=replace(
        _FINAL.books,
        payout=replace(_PAYOUT, paid_count=1, paid_base_units=700),
        batches=(replace(_BATCH, settled_state="SETTLED"),),
        payments=(replace(_IN_FLIGHT, state="PAID", transaction_hash=_HASH), _ZERO_DUE),
        committed_base_units=0,
    ),
)
_FINISHED = replace(
    _SETTLED,
    chain=replace(_SETTLED.chain, snapshots={"0x5": 1}),
    books=replace(
        _SETTLED.books,
        payout=replace(_PAYOUT, state="COMPLETED", version=8),
        events={7: "payout_progressed", 8: "payout_completed"},
    ),
)
_STATES = [_CREATED, _JOURNALED, _SENT, _RECORDED, _REPLACED, _MINED, _FINAL, _SETTLED, _FINISHED]
_LEDGER = [LedgerEntry(_ALICE, 700, "PAID", _HASH), LedgerEntry(_BOB, 0, "ZERO_DUE", "")]


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (checks.before_journal_commit("BATCH"), [_CREATED]),
        (checks.signed_not_sent("BATCH"), [_JOURNALED]),
        (checks.sent_not_recorded("BATCH"), [_SENT]),
        (checks.sent_recorded("BATCH"), [_RECORDED, _MINED]),
        (checks.sent_without_replacement("BATCH"), [_RECORDED]),
        (checks.replaced_not_sent("BATCH"), [_REPLACED]),
        (checks.receipt_not_recorded("BATCH"), [_MINED]),
        (checks.outcome_recorded("BATCH"), [_FINAL]),
        (checks.batch_stored, [_CREATED]),
        (checks.batch_not_settled, [_FINAL]),
        (checks.batch_settled, [_SETTLED]),
        (checks.payout_not_finished, [_SETTLED]),
        (checks.payout_finished, [_FINISHED]),
    ],
)
def test_a_check_accepts_the_state_that_it_names_and_no_other(check: checks.Check, named: list[Found]) -> None:
    assert [state for state in _STATES if not check(state)] == named
    assert [checks.always(state) for state in _STATES] == [[]] * len(_STATES)


_REQUEST = "5d0c1a53-0c3c-4d5b-9d3b-5a8f3f9a2b11"


def _with(found: Found, **changes: Any) -> Found:
    return replace(found, request_id=_REQUEST, books=replace(found.books, **changes))


def _payments(state: str, batch_number: int | None = None) -> tuple[Payment, ...]:
    return replace(_IN_FLIGHT, state=state, batch_number=batch_number), _ZERO_DUE


_ASKED = frozenset({_REQUEST})
_VOIDED = (_intent("VOIDED", None),)
_CANCELLING = _with(
    _CREATED, payout=replace(_PAYOUT, state="CANCELLING"), payments=_payments("CANCELLED"), requests=_ASKED
)
_CANCELLED = _with(
    _CANCELLING,
    payout=replace(_PAYOUT, state="CANCELLED"),
    committed_base_units=0,
    events={7: "payout_cancelled"},
)
_SWEEP_INTENT = replace(_intent("CREATED", None), purpose="SWEEP")
_SWEEPING = _with(
    _CREATED, payout=None, intents=(_SWEEP_INTENT,), batches=(), sweep_state="SENDING", requests=_ASKED
)
_NOT_SWEEPING = _with(
    _SWEEPING, intents=(), sweep_state=None, committed_base_units=None, requests=frozenset[str]()
)


@pytest.mark.parametrize(
    ("check", "named", "other"),
    [
        (checks.batch_not_returned, _with(_CREATED, intents=_VOIDED), _CREATED),
        (
            checks.batch_returned,
            _with(
                _CREATED,
                intents=_VOIDED,
                batches=(replace(_BATCH, settled_state="VOIDED"),),
                payments=_payments("PLANNED"),
            ),
            _with(_CREATED, intents=_VOIDED),
        ),
        (checks.payment_not_held_back, _with(_CREATED, batches=(), payments=_payments("PLANNED")), _CREATED),
        (
            checks.payment_not_resumed,
            _with(_CREATED, payments=_payments("WAITING")),
            _with(_CREATED, payments=_payments("PLANNED")),
        ),
        (
            checks.payment_resumed,
            _with(_CREATED, payments=_payments("PLANNED")),
            _with(_CREATED, payments=_payments("WAITING")),
        ),
        (checks.request_not_recorded("EXECUTING"), _with(_CREATED), _with(_CREATED, requests=_ASKED)),
        (checks.payout_not_cancelled, _CANCELLING, _CANCELLED),
        (checks.payout_cancelled, _CANCELLED, _CANCELLING),
        (checks.sweep_not_stored, _NOT_SWEEPING, _SWEEPING),
        (checks.sweep_stored, _SWEEPING, _with(_SWEEPING, committed_base_units=0)),
        (
            checks.sweep_not_settled,
            _with(_SWEEPING, intents=(replace(_SWEEP_INTENT, state="SUCCEEDED"),)),
            _SWEEPING,
        ),
        (
            checks.signer_not_reconciled,
            _with(_CREATED, halted_because="SIGNER_NEEDS_RECONCILIATION"),
            _with(_CREATED, halted_because=""),
        ),
    ],
)
def test_a_check_of_what_an_operator_or_a_failure_does_tells_two_states_apart(
    check: checks.Check, named: Found, other: Found
) -> None:
    assert check(named) == []
    assert check(other)


def _pause(intent: Intent, *, wants_paused: bool | None = True, block: int | None = None) -> Found:
    """An asset without a payout, whose contract is to be paused and later unpaused."""
    found = _found(replace(intent, purpose="PAUSE"), block=block, is_sent=intent.state != "CREATED")
    books = replace(
        found.books,
        payout=None,
        batches=(),
        payments=(),
        committed_base_units=None,
        events={},
        wants_paused=wants_paused,
        pause_intent_key=_KEY,
    )
    pauses = () if block is None else (True,)
    chain = replace(found.chain, received={}, transfers=(), contract_change_base_units=0, pauses=pauses)
    return replace(found, books=books, chain=chain, pauses_due=(True, False))


_PAUSE_CREATED = _pause(_intent("CREATED", None))
_PAUSE_SENT = _pause(_intent("SIGNED"))
_PAUSE_FINAL = _pause(_intent("SUCCEEDED", is_recorded_as_sent=True), block=9)
_PAUSE_STATES = [_PAUSE_CREATED, _PAUSE_SENT, _PAUSE_FINAL]


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (checks.before_journal_commit("PAUSE"), _PAUSE_CREATED),
        (checks.sent_not_recorded("PAUSE"), _PAUSE_SENT),
        (checks.outcome_recorded("PAUSE"), _PAUSE_FINAL),
    ],
)
def test_a_pause_waits_for_its_own_transaction(check: checks.Check, named: Found) -> None:
    assert [state for state in _PAUSE_STATES if not check(state)] == [named]
    assert checks.always(named) == []
    for changes in ({"wants_paused": None}, {"wants_paused": False}, {"pause_intent_key": ""}):
        assert check(replace(named, books=replace(named.books, **changes)))


def test_the_end_of_a_pause_is_the_second_wish() -> None:
    unpausing = _pause(_intent("SIGNED", 6), wants_paused=False)
    pausing = _intent("SUCCEEDED", is_recorded_as_sent=True)
    earlier = replace(
        pausing, purpose="PAUSE", key="pause/1/1", outcome_hash="0x5", attempts=(Attempt("0x5", True),)
    )
    books = replace(unpausing.books, intents=(earlier, *unpausing.books.intents), next_nonce=7)
    sent = {"0x5": Sent(5, 8), _HASH: Sent(6, None)}
    chain = replace(unpausing.chain, sent=sent, pauses=(True,))
    found = replace(unpausing, books=books, chain=chain, nth=2)
    check = checks.sent_not_recorded("PAUSE")
    assert [*check(found), *checks.always(found)] == []
    assert check(replace(found, books=replace(books, wants_paused=True)))


@pytest.mark.parametrize("pauses", [(False,), (True, True), (True, False, True)])
def test_a_pause_that_nobody_has_asked_for_is_seen_at_every_kill(pauses: tuple[bool, ...]) -> None:
    paused = replace(_PAUSE_FINAL, chain=replace(_PAUSE_FINAL.chain, pauses=pauses))
    assert checks.always(paused)


@pytest.mark.parametrize("pauses", [(), (True,), (False, True), (True, False, True, False)])
def test_in_the_end_the_contract_was_paused_as_often_as_asked(pauses: tuple[bool, ...]) -> None:
    asked = replace(_FINISHED, pauses_due=(True, False), chain=replace(_FINISHED.chain, pauses=(True, False)))
    assert at_the_end(asked, [_LEDGER], 6) == []
    assert at_the_end(replace(asked, chain=replace(asked.chain, pauses=pauses)), [_LEDGER], 6)


def test_a_cancelled_payout_has_paid_nobody() -> None:
    cancelled = replace(_CANCELLED, is_given_up=True, chain=replace(_CREATED.chain, snapshots={"0x5": 1}))
    ledger = [replace(_LEDGER[0], state="CANCELLED", transaction_hash=""), _LEDGER[1]]
    assert at_the_end(cancelled, [ledger], 5) == []
    assert at_the_end(replace(cancelled, chain=_FINISHED.chain), [ledger], 5)
    assert at_the_end(cancelled, [_LEDGER], 5)


def _without_journal(found: Found) -> Found:
    return replace(found, books=replace(found.books, intents=(), next_nonce=5))


def _paid_twice(found: Found) -> Found:
    return replace(found, chain=replace(found.chain, received={_ALICE: 1400, _BOB: 0}))


def _without_event(found: Found) -> Found:
    return replace(found, books=replace(found.books, events={6: "payout_progressed"}))


@pytest.mark.parametrize("damage", [_without_journal, _paid_twice, _without_event])
def test_what_holds_always_is_missed_when_it_does_not(damage: Callable[[Found], Found]) -> None:
    assert checks.always(damage(_SENT))


def _received_once_too_often(found: Found) -> Found:
    twice = (*found.chain.transfers, Transfer(_ALICE, 0, _HASH))
    return replace(found, chain=replace(found.chain, transfers=twice))


def _second_snapshot(found: Found) -> Found:
    return replace(found, chain=replace(found.chain, snapshots={"0x5": 1, "0x6": 2}))


def _foreign_transaction(found: Found) -> Found:
    sent = {**found.chain.sent, "0x77": Sent(6, 10)}
    return replace(found, chain=replace(found.chain, sent=sent))


@pytest.mark.parametrize(
    "damage", [_paid_twice, _received_once_too_often, _second_snapshot, _foreign_transaction, _without_journal]
)
def test_the_end_is_good_only_when_everybody_was_paid_once(damage: Callable[[Found], Found]) -> None:
    assert at_the_end(_FINISHED, [_LEDGER], 6) == []
    assert at_the_end(damage(_FINISHED), [_LEDGER], 6)


@pytest.mark.parametrize(
    "ledger",
    [
        [],
        [*_LEDGER, _LEDGER[0]],
        [replace(_LEDGER[0], amount_base_units=699), _LEDGER[1]],
        [replace(_LEDGER[0], state="FAILED"), _LEDGER[1]],
        [replace(_LEDGER[0], transaction_hash="0x99"), _LEDGER[1]],
    ],
)
def test_the_ledger_has_to_say_what_the_chain_says(ledger: list[LedgerEntry]) -> None:
    assert at_the_end(_FINISHED, [ledger], 6)


def test_what_is_owed_is_rounded_down_for_each() -> None:
    alice, bob = to_checksum_address(_ALICE), to_checksum_address(_BOB)
    assert amounts_owed(100, {alice: 2, bob: 1}) == {alice: 66, bob: 33}


def test_every_failpoint_of_the_code_has_a_case() -> None:
    assert table_differences() == []
    assert len(CASES) >= 15
    assert table_differences(CASES[1:]) == [f"{CASES[0].failpoint} is in the code and has no case"]
