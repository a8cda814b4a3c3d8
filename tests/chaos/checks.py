"""Whether the work is in the state that a failpoint names: pure functions of what was found, one a kind of place.

Each gives differences as sentences; none means that the state is the named one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tests.chaos.found import Batch, Found, Intent
from tests.chaos.replay import every_token_is_paid_once

Check = Callable[[Found], list[str]]
OPEN_PAYMENT_STATES = ("PLANNED", "IN_FLIGHT")


def differs(what: str, found: object, expected: object) -> list[str]:
    """One sentence when the two differ."""
    return [] if found == expected else [f"{what} is {found!r}, {expected!r} was expected"]


# ------------------------------------------------------------------------------------------------ at every kill


def always(found: Found) -> list[str]:
    """All that was sent is journaled, nobody is overpaid, events go with states, nothing is paused unasked."""
    return [
        *_all_sent_is_journaled(found),
        *_nobody_overpaid(found),
        *_events_go_with_states(found),
        *_paused_as_asked_so_far(found),
    ]


def _all_sent_is_journaled(found: Found) -> list[str]:
    by_hash = {
        attempt.transaction_hash: intent.nonce for intent in found.books.intents for attempt in intent.attempts
    }
    signed = [intent for intent in found.books.intents if intent.nonce is not None]
    next_nonce = found.before.nonce + len(signed)
    differences = [
        f"the chain knows {sent_hash} with nonce {sent.nonce}, the journal does not"
        for sent_hash, sent in found.chain.sent.items()
        if by_hash.get(sent_hash) != sent.nonce and sent_hash not in found.foreign
    ]
    if found.books.next_nonce is not None:
        differences += differs("the lane's next nonce", found.books.next_nonce, next_nonce)
    return differences


def _nobody_overpaid(found: Found) -> list[str]:
    if found.bond:
        return every_token_is_paid_once(found, found.bond)
    times = 0 if found.is_given_up else found.payout_count
    return [
        f"{holder} received {amount} base units, owed are {found.owed.get(holder, 0)}, at most {times} times"
        for holder, amount in found.chain.received.items()
        if amount not in [number * found.owed.get(holder, 0) for number in range(times + 1)]
    ]


def _events_go_with_states(found: Found) -> list[str]:
    payout = found.books.payout
    if payout is None:
        return []
    differences = differs("the newest event's version", max(found.books.events, default=0), payout.version)
    has_final_event = "payout_completed" in found.books.events.values()
    return differences + differs("payout_completed in the outbox", has_final_event, payout.state == "COMPLETED")


def _paused_as_asked_so_far(found: Found) -> list[str]:
    pauses = found.chain.pauses
    return differs("the contract's pauses (True) and unpauses", pauses, found.pauses_due[: len(pauses)])


# -------------------------------------------------------------------------------- the journal's places


def before_journal_commit(purpose: str) -> Check:
    """The nth intent is signed in memory only: no nonce, no attempt, nothing of it on the chain."""

    def check(found: Found) -> list[str]:
        signed, unsigned = _signed_and_not(found.intents(purpose))
        return [
            *differs("the number of signed intents", len(signed), found.nth - 1),
            *([] if unsigned else [f"no intent for {purpose} is without a nonce"]),
            *_all_are(unsigned, "CREATED"),
            *(f"{intent.key} has attempts without a nonce" for intent in unsigned if intent.attempts),
            *_owner_waits(found, purpose),
        ]

    return check


def signed_not_sent(purpose: str) -> Check:
    """The nth intent's one attempt is durable; no time of sending, and the chain does not know it."""

    def check(found: Found) -> list[str]:
        newest, differences = _newest_signed(found, purpose)
        if newest is None:
            return differences
        return [
            *differences,
            *differs(f"the state of {newest.key}", newest.state, "SIGNED"),
            *differs(f"attempts recorded as sent of {newest.key}", _recorded_as_sent(newest), [False]),
            *differs(f"that the chain knows {newest.key}", found.is_known(newest), False),
            *_owner_waits(found, purpose),
        ]

    return check


def sent_not_recorded(purpose: str) -> Check:
    """The chain knows the nth intent's bytes; the journal says signed, without a time of sending."""

    def check(found: Found) -> list[str]:
        newest, differences = _newest_signed(found, purpose)
        if newest is None:
            return differences
        return [
            *differences,
            *differs(f"the state of {newest.key}", newest.state, "SIGNED"),
            *differs(f"attempts recorded as sent of {newest.key}", _recorded_as_sent(newest), [False]),
            *differs(f"that the chain knows {newest.key}", found.is_known(newest), True),
            *_owner_waits(found, purpose),
        ]

    return check


def sent_recorded(purpose: str) -> Check:
    """The chain knows the nth intent's bytes, and the journal that they were sent."""

    def check(found: Found) -> list[str]:
        newest, differences = _newest_signed(found, purpose)
        if newest is None:
            return differences
        return [
            *differences,
            *differs(f"the state of {newest.key}", newest.state, "BROADCAST"),
            *differs(f"attempts recorded as sent of {newest.key}", _recorded_as_sent(newest), [True]),
            *differs(f"that the chain knows {newest.key}", found.is_known(newest), True),
            *_owner_waits(found, purpose),
        ]

    return check


def sent_without_replacement(purpose: str) -> Check:
    """The first intent's one attempt waits in the pool; other bytes for its nonce are in memory only."""

    def check(found: Found) -> list[str]:
        return _replacement(found, purpose, [True])

    return check


def replaced_not_sent(purpose: str) -> Check:
    """Other bytes for the first intent's nonce are durable; the chain knows the first ones only."""

    def check(found: Found) -> list[str]:
        return _replacement(found, purpose, [True, False])

    return check


def receipt_not_recorded(purpose: str) -> Check:
    """A block holds an intent's transaction; the journal has recorded no receipt at all yet."""

    def check(found: Found) -> list[str]:
        intents = found.intents(purpose)
        is_found = any(intent.state == "BROADCAST" and found.is_mined(intent) for intent in intents)
        return [
            *([] if is_found else [f"no BROADCAST intent for {purpose} is in a block"]),
            *(f"{intent.key} is {intent.state}" for intent in intents if intent.state in ("MINED", "SUCCEEDED")),
            *_owner_waits(found, purpose),
        ]

    return check


def outcome_recorded(purpose: str) -> Check:
    """One more intent is final, by the transaction that the chain has mined; its owner does not act on it yet."""

    def check(found: Found) -> list[str]:
        final = [intent for intent in found.intents(purpose) if intent.state == "SUCCEEDED"]
        return [
            *differs(f"the number of final intents for {purpose}", len(final), found.nth),
            *(
                f"{intent.key} has the outcome {intent.outcome_hash}, which is not mined or not its own"
                for intent in final
                if not _is_mined_outcome(found, intent)
            ),
            *_owner_waits(found, purpose),
        ]

    return check


# ----------------------------------------------------------------------------------------- the payout's places


def snapshot_requested(found: Found) -> list[str]:
    """Payout and snapshot intent are stored together; nothing is signed."""
    intents = found.intents("SNAPSHOT")
    return [
        *payout_is(found, "SNAPSHOTTING"),
        *differs("the number of snapshot intents", len(intents), 1),
        *_all_are(intents, "CREATED"),
    ]


def snapshot_not_recorded(found: Found) -> list[str]:
    """The snapshot is taken, finally; the payout does not know its id."""
    payout = found.books.payout
    final = [intent for intent in found.intents("SNAPSHOT") if intent.state == "SUCCEEDED"]
    return [
        *payout_is(found, "SNAPSHOTTING"),
        *differs("the number of final snapshot intents", len(final), 1),
        *differs("the snapshot id", payout.snapshot_id if payout else 0, None),
    ]


def snapshot_recorded(found: Found) -> list[str]:
    """The payout has the id out of its own transaction's event; the plan is empty."""
    payout = found.books.payout
    own = [found.chain.snapshots.get(intent.outcome_hash or "") for intent in found.intents("SNAPSHOT")]
    return [
        *payout_is(found, "PLANNING"),
        *differs("the snapshot id", [payout.snapshot_id] if payout else None, own),
        *differs("the number of holders", payout.holder_count if payout else 0, len(found.owed)),
        *differs("the number of planned payments", len(found.books.payments), 0),
    ]


def page_not_stored(found: Found) -> list[str]:
    """The plan is empty, as before its first page."""
    payout = found.books.payout
    return [
        *payout_is(found, "PLANNING"),
        *differs("the number of planned payments", len(found.books.payments), 0),
        *differs("the count of planned payments", payout.planned_count if payout else 0, 0),
    ]


def plan_not_frozen(found: Found) -> list[str]:
    """Every holder is in the plan with what is owed; no sum, no hash, no money promised."""
    payout = found.books.payout
    return [
        *payout_is(found, "PLANNING"),
        *_plan_holds_everyone(found),
        *differs("the plan's hash", payout.plan_hash if payout else "", None),
        *differs("the commitment", found.books.committed_base_units, None),
    ]


def plan_frozen(found: Found) -> list[str]:
    """The plan has its hash, and its parts make the total; no money is promised yet."""
    return [
        *payout_is(found, "WAITING_FOR_FUNDS"),
        *_plan_holds_everyone(found),
        *_plan_makes_the_total(found),
        *differs("the commitment", found.books.committed_base_units, None),
    ]


def funds_committed(found: Found) -> list[str]:
    """All that the plan pays is promised, and the payout may pay; there is no batch."""
    return [
        *payout_is(found, "EXECUTING"),
        *_plan_makes_the_total(found),
        *differs("the commitment", found.books.committed_base_units, payable(found)),
        *differs("the number of batches", len(found.books.batches), 0),
    ]


def batch_not_stored(found: Found) -> list[str]:
    """The nth batch is in memory only: n-1 batches, each with its intent, and payees without a batch."""
    open_states = {payment.state for payment in found.books.payments if payment.batch_number is None}
    return [
        *payout_is(found, "EXECUTING"),
        *differs("the number of batches", len(found.books.batches), found.nth - 1),
        *differs("the number of batch intents", len(found.intents("BATCH")), found.nth - 1),
        *([] if "PLANNED" in open_states else ["no payee is without a batch"]),
    ]


def batch_stored(found: Found) -> list[str]:
    """The nth batch, its payees and its unsigned intent are stored together."""
    differences = [
        *payout_is(found, "EXECUTING"),
        *differs("the number of batches", len(found.books.batches), found.nth),
        *differs("the number of batch intents", len(found.intents("BATCH")), found.nth),
    ]
    if not found.books.batches:
        return differences
    newest = max(found.books.batches, key=lambda batch: batch.number)
    intent = found.intent_of(newest)
    payments = found.payments_of(newest)
    return [
        *differences,
        *differs("the state of the newest batch's intent", intent.state if intent else None, "CREATED"),
        *_payments_are(found, newest, "IN_FLIGHT"),
        *differs("payees of the newest batch", len(payments), newest.holder_count),
        *differs(
            "the newest batch's sum", sum(each.amount_base_units for each in payments), newest.amount_base_units
        ),
    ]


def batch_not_settled(found: Found) -> list[str]:
    """A batch's outcome is final and the chain has paid its payees; the ledger does not say so yet."""
    payout = found.books.payout
    final = [batch for batch in found.books.batches if _is_final(found, batch)]
    return [
        *payout_is(found, "EXECUTING"),
        *([] if final else ["no batch has a final outcome"]),
        *(f"batch {batch.number} is settled" for batch in found.books.batches if batch.settled_state),
        *(difference for batch in final for difference in _payments_are(found, batch, "IN_FLIGHT")),
        *(difference for batch in final for difference in _chain_has_paid(found, batch)),
        *differs("the count of paid payments", payout.paid_count if payout else None, 0),
        *differs("the commitment", found.books.committed_base_units, payable(found)),
    ]


def batch_settled(found: Found) -> list[str]:
    """The nth batch is settled: its payments, the payout's sums and the commitment in one."""
    settled = [batch for batch in found.books.batches if batch.settled_state == "SETTLED"]
    paid_base_units = sum(batch.amount_base_units for batch in settled)
    payout = found.books.payout
    return [
        *payout_is(found, "EXECUTING"),
        *differs("the number of settled batches", len(settled), found.nth),
        *(difference for batch in settled for difference in _payments_are(found, batch, "PAID")),
        *(difference for batch in settled for difference in _chain_has_paid(found, batch)),
        *differs("the payout's paid sum", payout.paid_base_units if payout else None, paid_base_units),
        *differs("the commitment", found.books.committed_base_units, payable(found) - paid_base_units),
    ]


def batch_not_returned(found: Found) -> list[str]:
    """A batch was given up unsent, finally; its payees are not free yet."""
    batches = [batch for batch in found.books.batches if _is_voided(found, batch)]
    return [
        *payout_is(found, "EXECUTING"),
        *differs("the number of batches that were given up", len(batches), 1),
        *(f"batch {batch.number} is {batch.settled_state}" for batch in batches if batch.settled_state),
        *(difference for batch in batches for difference in _payments_are(found, batch, "IN_FLIGHT")),
        *differs("the commitment", found.books.committed_base_units, payable(found)),
    ]


def batch_returned(found: Found) -> list[str]:
    """A batch was given up unsent, and its payees are in the plan again."""
    batches = [batch for batch in found.books.batches if _is_voided(found, batch)]
    states = {payment.state for payment in found.books.payments if payment.amount_base_units}
    return [
        *payout_is(found, "EXECUTING"),
        *differs(
            "the states of batches that were given up", [batch.settled_state for batch in batches], ["VOIDED"]
        ),
        *differs("the states of payments", states, {"PLANNED"}),
        *differs("the commitment", found.books.committed_base_units, payable(found)),
    ]


def payment_not_held_back(found: Found) -> list[str]:
    """The call would revert because of a payee; everybody is in the plan still."""
    states = {payment.state for payment in found.books.payments if payment.amount_base_units}
    return [
        *payout_is(found, "EXECUTING"),
        *differs("the states of payments", states, {"PLANNED"}),
        *differs("the number of batches", len(found.books.batches), 0),
        *differs("the commitment", found.books.committed_base_units, payable(found)),
    ]


def payment_not_resumed(found: Found) -> list[str]:
    """One payee was refused and waits for another try; its money stays promised."""
    return _one_is(found, "WAITING")


def payment_resumed(found: Found) -> list[str]:
    """The payee that was refused is in the plan again, in no batch; its money stays promised."""
    return _one_is(found, "PLANNED")


def request_not_recorded(state: str) -> Check:
    """An operator's call has changed nothing: the payout is as before, the request is not known."""

    def check(found: Found) -> list[str]:
        is_known = found.request_id in found.books.requests
        return [*payout_is(found, state), *differs("that the request is recorded", is_known, False)]

    return check


def payout_not_cancelled(found: Found) -> list[str]:
    """The operator's call is recorded and nobody will be paid; the payout does not say that it is done."""
    return [*payout_is(found, "CANCELLING"), *_is_given_up(found)]


def payout_cancelled(found: Found) -> list[str]:
    """The payout is final, its event in the outbox with it."""
    is_told = "payout_cancelled" in found.books.events.values()
    return [
        *payout_is(found, "CANCELLED"),
        *_is_given_up(found),
        *differs("payout_cancelled in the outbox", is_told, True),
        *([f"{found.books.committed_base_units} stay committed"] if found.books.committed_base_units else []),
    ]


def sweep_not_stored(found: Found) -> list[str]:
    """Nothing of the sweep is stored: no money set aside, no transaction, no request."""
    is_known = found.request_id in found.books.requests
    return [
        *differs("the sweep's state", found.books.sweep_state, None),
        *differs("the number of intents", len(found.books.intents), 0),
        *differs("the commitment", found.books.committed_base_units, None),
        *differs("that the request is recorded", is_known, False),
    ]


def sweep_stored(found: Found) -> list[str]:
    """The sweep, its money set aside, its unsigned transaction and the request are stored together."""
    is_known = found.request_id in found.books.requests
    return [
        *_sweep_is_under_way(found),
        *_all_are(found.intents("SWEEP"), "CREATED"),
        *differs("that the request is recorded", is_known, True),
    ]


def sweep_not_settled(found: Found) -> list[str]:
    """The sweep's transaction is final, and the sweep does not say so; its money is still set aside."""
    return [*_sweep_is_under_way(found), *_all_are(found.intents("SWEEP"), "SUCCEEDED")]


def _sweep_is_under_way(found: Found) -> list[str]:
    return [
        *differs("the sweep's state", found.books.sweep_state, "SENDING"),
        *differs("the number of intents", len(found.intents("SWEEP")), 1),
        *differs("the commitment", found.books.committed_base_units, payable(found)),
    ]


def signer_not_reconciled(found: Found) -> list[str]:
    """The signer may not sign, and the journal does not know the foreign transaction."""
    is_known = found.request_id in found.books.requests
    return [
        *([] if found.books.halted_because else ["the signer may sign"]),
        *differs("the lane's next nonce", found.books.next_nonce, found.before.nonce),
        *differs("that the request is recorded", is_known, False),
        *_all_are(found.books.intents, "CREATED"),
    ]


def payout_not_finished(found: Found) -> list[str]:
    """Nothing is open any more and nothing promised; the payout does not say that it is done."""
    return [*payout_is(found, "EXECUTING"), *_nothing_is_open(found)]


def payout_finished(found: Found) -> list[str]:
    """The payout is final, its event in the outbox with it."""
    return [*payout_is(found, "COMPLETED"), *_nothing_is_open(found)]


# ------------------------------------------------------------------------------------------------------- in words


def in_words(found: Found) -> str:
    """The state found, in a line."""
    books = found.books
    parts = [f"payout {books.payout.state}" if books.payout else f"contract {books.contract_state}"]
    if books.sweep_state:
        parts = [f"sweep {books.sweep_state}"]
    if books.halted_because:
        parts.append("signer halted")
    if books.wants_paused is not None:
        parts.append("to be paused" if books.wants_paused else "to be unpaused")
    for purpose in dict.fromkeys(intent.purpose for intent in books.intents):
        seen = Counter(f"{intent.state}{_place(found, intent)}" for intent in found.intents(purpose))
        parts.append(f"{purpose.lower()} " + ", ".join(f"{count} {state}" for state, count in seen.items()))
    if books.payments:
        states = Counter(payment.state for payment in books.payments)
        parts.append("payments " + ", ".join(f"{count} {state}" for state, count in states.items()))
    if books.committed_base_units is not None:
        parts.append(f"committed {books.committed_base_units}")
    return "; ".join(parts)


def _place(found: Found, intent: Intent) -> str:
    if not intent.attempts:
        return ""
    if found.is_mined(intent):
        return " (mined)"
    return " (in pool)" if found.is_known(intent) else " (not on chain)"


# ------------------------------------------------------------------------------------------------------- the parts


def _signed_and_not(intents: Iterable[Intent]) -> tuple[list[Intent], list[Intent]]:
    signed: list[Intent] = []
    unsigned: list[Intent] = []
    for intent in intents:
        (unsigned if intent.nonce is None else signed).append(intent)
    return signed, unsigned


def _newest_signed(found: Found, purpose: str) -> tuple[Intent | None, list[str]]:
    """The intent with the highest nonce, which the lane worker was at; that it is the nth."""
    signed, unsigned = _signed_and_not(found.intents(purpose))
    differences = [
        *differs("the number of signed intents", len(signed), found.nth),
        *_all_are(unsigned, "CREATED"),
    ]
    return (signed[-1] if signed else None), differences


def _replacement(found: Found, purpose: str, recorded_as_sent: list[bool]) -> list[str]:
    signed, _ = _signed_and_not(found.intents(purpose))
    if not signed:
        return [f"no intent for {purpose} is signed"]
    # The one whose turn it is; those behind it may have been sent too.
    first = signed[0]
    known = [attempt.transaction_hash in found.chain.sent for attempt in first.attempts]
    return [
        *differs(f"the state of {first.key}", first.state, "BROADCAST"),
        *differs(f"attempts recorded as sent of {first.key}", _recorded_as_sent(first), recorded_as_sent),
        *differs(f"attempts of {first.key} that the chain knows", known, recorded_as_sent),
        *differs(f"that a block holds {first.key}", found.is_mined(first), False),
        *_owner_waits(found, purpose),
    ]


def _recorded_as_sent(intent: Intent) -> list[bool]:
    return [attempt.is_recorded_as_sent for attempt in intent.attempts]


def _is_mined_outcome(found: Found, intent: Intent) -> bool:
    own = {attempt.transaction_hash for attempt in intent.attempts}
    sent = found.chain.sent.get(intent.outcome_hash or "")
    return intent.outcome_hash in own and sent is not None and sent.block is not None


def _owner_waits(found: Found, purpose: str) -> list[str]:
    """Whoever waits for the transaction is where it waits."""
    if purpose == "CONTRACT_CREATION":
        return differs("the lifecycle contract's state", found.books.contract_state, "DEPLOYING")
    if purpose == "SNAPSHOT":
        return payout_is(found, "SNAPSHOTTING")
    if purpose == "SWEEP":
        return _sweep_is_under_way(found)
    if purpose == "PAUSE":
        return _pause_is_under_way(found)
    open_batches = [batch for batch in found.books.batches if batch.settled_state is None]
    return [
        *payout_is(found, "EXECUTING"),
        *([] if open_batches else ["no batch is open"]),
        *(difference for batch in open_batches for difference in _payments_are(found, batch, "IN_FLIGHT")),
    ]


def _pause_is_under_way(found: Found) -> list[str]:
    """The nth wish is open, and waits for the nth transaction."""
    intents = found.intents("PAUSE")
    return [
        *differs("that the contract is to be paused", found.books.wants_paused, found.pauses_due[found.nth - 1]),
        *differs("the number of transactions for pauses", len(intents), found.nth),
        *differs("the one that is waited for", found.books.pause_intent_key, intents[-1].key if intents else None),
    ]


def payout_is(found: Found, state: str) -> list[str]:
    """One sentence when the payout is in another state."""
    payout = found.books.payout
    return differs("the payout's state", payout.state if payout else None, state)


def _all_are(intents: Iterable[Intent], state: str) -> list[str]:
    return [f"{intent.key} is {intent.state}, not {state}" for intent in intents if intent.state != state]


def _plan_holds_everyone(found: Found) -> list[str]:
    payout = found.books.payout
    planned = {payment.holder: payment.amount_base_units for payment in found.books.payments}
    states = {
        payment.state != ("PLANNED" if payment.amount_base_units else "ZERO_DUE")
        for payment in found.books.payments
    }
    return [
        *differs("the count of planned payments", payout.planned_count if payout else 0, len(found.owed)),
        *([] if planned == dict(found.owed) else ["the plan is not what is owed"]),
        *(["a planned payment is in another state"] if True in states else []),
    ]


def _plan_makes_the_total(found: Found) -> list[str]:
    payout = found.books.payout
    if payout is None or not payout.plan_hash:
        return ["the plan is not frozen"]
    parts = (payout.payable_base_units, payout.rounding_dust_base_units, payout.frozen_share_base_units)
    return [
        *differs("the payable sum", payout.payable_base_units, payable(found)),
        *differs("payable + dust + frozen share", sum(part or 0 for part in parts), found.total_base_units),
    ]


def payable(found: Found) -> int:
    """All that is owed together, base units."""
    return sum(found.owed.values())


def _payments_are(found: Found, batch: Batch, state: str) -> list[str]:
    states = {payment.state for payment in found.payments_of(batch)}
    return differs(f"the states of batch {batch.number}'s payments", states, {state})


def _is_final(found: Found, batch: Batch) -> bool:
    intent = found.intent_of(batch)
    return intent is not None and intent.state == "SUCCEEDED" and _is_mined_outcome(found, intent)


def _chain_has_paid(found: Found, batch: Batch) -> list[str]:
    return [
        f"{payment.holder} of batch {batch.number} has not received what is owed"
        for payment in found.payments_of(batch)
        if found.chain.received.get(payment.holder) != found.owed.get(payment.holder)
    ]


def _is_voided(found: Found, batch: Batch) -> bool:
    intent = found.intent_of(batch)
    return intent is not None and intent.state == "VOIDED" and intent.nonce is None


def _one_is(found: Found, state: str) -> list[str]:
    """All are paid but one, which is in that state and has received nothing."""
    open_payments = [payment for payment in found.books.payments if payment.state not in ("PAID", "ZERO_DUE")]
    owed = sum(payment.amount_base_units for payment in open_payments)
    return [
        *payout_is(found, "EXECUTING"),
        *differs("the states of open payments", [payment.state for payment in open_payments], [state]),
        *(
            f"{payment.holder} has received {found.chain.received.get(payment.holder)}"
            for payment in open_payments
            if found.chain.received.get(payment.holder)
        ),
        *differs("the commitment", found.books.committed_base_units, owed),
    ]


def _is_given_up(found: Found) -> list[str]:
    is_known = found.request_id in found.books.requests
    return [
        *(
            f"{payment.holder} is {payment.state}"
            for payment in found.books.payments
            if payment.state != ("CANCELLED" if payment.amount_base_units else "ZERO_DUE")
        ),
        *differs("that the request is recorded", is_known, True),
    ]


def _nothing_is_open(found: Found) -> list[str]:
    return [
        *(f"batch {batch.number} is open" for batch in found.books.batches if batch.settled_state is None),
        *(
            f"{payment.holder} is {payment.state}"
            for payment in found.books.payments
            if payment.state in OPEN_PAYMENT_STATES
        ),
        *differs("the commitment", found.books.committed_base_units, 0),
    ]
