"""What must hold after every tick, and what must hold when everything has come to rest."""

from libs.chain.quantities import BaseUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.lifecycle_contract import CallKind
from payout_service.domain.discrepancy import DiscrepancyKind
from payout_service.domain.payments import OPEN_STATES, PaymentState
from payout_service.domain.payout import Payout, PayoutState
from tests.simulation.chain_invariants import check_executions, check_payout_at_rest
from tests.simulation.dues import was_paid
from tests.simulation.watching import InvariantError
from tests.simulation.world import Checked, World, payout_ids
from tests.support.payout.memory_chain import TREASURER
from tests.support.payout.memory_database import PaymentRow

_S = PayoutState
# A plan's money is promised while a payout is, or was, in one of these.
_PROMISED = frozenset({_S.EXECUTING, _S.INCOMPLETE, _S.DEFERRED, _S.CANCELLING, _S.CANCELLED, _S.COMPLETED})
_ENDED = frozenset({_S.COMPLETED, _S.CANCELLED, _S.FAILED, _S.INCOMPLETE})
_RESTS_BY_NAME = {_S.PAUSED: "PAUSED", _S.DEFERRED: "DEFERRED"}
# Another payout of the same dividend, coupon or bond may have failed payments, which an operator decides on.
_IN_THE_WAY = frozenset({_S.INCOMPLETE, _S.DEFERRED, _S.PAUSED})
# In no batch yet, or not any more.
_NOT_SENT = frozenset({PaymentState.PLANNED, PaymentState.WAITING})
# What a ledger may say of a payee that the chain has paid.
_PAID_OR_ASKED_ABOUT = frozenset({PaymentState.PAID, PaymentState.DISPUTED})


def check_tick(world: World) -> None:
    """Cheap enough for every tick that has changed something."""
    check_executions(world)
    _promises_are_covered(world)
    for payout_id, payout in world.database.rows("payout").items():
        if _has_changed(world, payout):
            rows = world.database.payments(payout_id)
            _figures_are_those_of_the_rows(payout, rows)
            _promise_is_what_is_owed(world, payout, rows)


def check_end(world: World) -> None:
    """Everything has come to rest."""
    check_tick(world)
    for payout_id in payout_ids(world):
        payout, rows = world.database.payout(payout_id), world.database.payments(payout_id)
        _is_at_rest(world, payout)
        check_payout_at_rest(world, payout, rows)
        _ledger_says_what_the_chain_did(world, payout, rows)
        _identity(payout, rows)
    _no_redemption_counts_twice(world)
    _transactions_are_at_rest(world)
    _money_is_where_it_was_sent(world)
    _no_false_alarms(world)


def _fail(name: str, what: str) -> None:
    raise InvariantError(name, what)


def _has_changed(world: World, payout: Payout) -> bool:
    """Whether it, its payments or its promise are others than when this was last asked. Remembers them.

    Rows are never changed in place, and what is remembered cannot be another object's place in memory.
    """
    payments = world.database.table(("payment", payout.payout_id))
    promise = world.database.rows("commitment").get(payout.payout_id)
    before = world.checked.get(payout.payout_id)
    world.checked[payout.payout_id] = Checked(payout, payments, payments.changes, promise)
    return (
        before is None
        or before.payout is not payout
        or before.payments is not payments
        or before.changes != payments.changes
        or before.promise is not promise
    )


def _promises_are_covered(world: World) -> None:
    if world.is_money_excused:
        return
    free = world.database.free_money()
    if free + world.unpromised_base_units < 0:
        _fail("promised_more_than_there_is", f"{-free} base units are promised and not there")


def _figures_are_those_of_the_rows(payout: Payout, rows: list[PaymentRow]) -> None:
    if payout.plan is None:
        return
    paid = [row.planned.amount_base_units for row in rows if row.state is PaymentState.PAID]
    cancelled = [row.planned.amount_base_units for row in rows if row.state is PaymentState.CANCELLED]
    failed = sum(row.state in (PaymentState.FAILED, PaymentState.DISPUTED) for row in rows)
    waiting = sum(row.state is PaymentState.WAITING for row in rows)
    progress = payout.progress
    says = (progress.paid_count, progress.paid_base_units, progress.cancelled_base_units)
    if says != (len(paid), sum(paid), sum(cancelled)):
        _fail("figures_differ", f"payout {payout.payout_id} says {progress}, its payments {paid}, {cancelled}")
    if (progress.failed_count, progress.waiting_count) != (failed, waiting):
        _fail("figures_differ", f"payout {payout.payout_id} says {progress}; {failed} failed, {waiting} wait")
    deferred = [row.planned.amount_base_units for row in rows if row.state is PaymentState.DEFERRED]
    if (progress.deferred_count, progress.deferred_base_units) != (len(deferred), sum(deferred)):
        _fail("figures_differ", f"payout {payout.payout_id} says {progress}; {deferred} are deferred")


def _promise_is_what_is_owed(world: World, payout: Payout, rows: list[PaymentRow]) -> None:
    promised = world.database.rows("commitment").get(payout.payout_id, (None, 0))[1]
    state = payout.paused_from or payout.state
    if payout.plan is None or state not in _PROMISED:
        return
    open_states = OPEN_STATES
    if payout.state is PayoutState.CANCELLED:
        open_states = frozenset({PaymentState.DISPUTED})
    # What has moved to a payee in dispute is not there to be promised.
    owed = sum(row.planned.amount_base_units - row.moved_base_units for row in rows if row.state in open_states)
    if payout.state is PayoutState.CANCELLING:
        cancelled = sum(row.planned.amount_base_units for row in rows if row.state is PaymentState.CANCELLED)
        # Given up before it was paid from: all of it, of a percentage the whole total. A redemption's round that
        # was given up before it was promised anything lacks that.
        is_within = payout.kind is PayoutKind.REDEMPTION and owed <= promised <= owed + cancelled
        if not is_within and promised not in (0, owed + cancelled, payout.total_base_units):
            _fail("promise_differs", f"{payout.payout_id}: {promised} is promised, {owed} + {cancelled} owed")
    elif promised != owed:
        _fail("promise_differs", f"payout {payout.payout_id} is {payout.state}: {promised} promised, {owed} owed")


def is_at_rest_by_name(world: World, payout: Payout) -> bool:
    """Whether nothing more comes of a payout by itself, and it says why."""
    if payout.state is PayoutState.REQUESTED:
        is_in_the_way = _has_other(world, payout, _IN_THE_WAY) or _has_cancelled_with_disputes(world, payout)
        return payout.waiting_for.startswith("ACTION_HAS_PAYOUT") and is_in_the_way
    name = _RESTS_BY_NAME.get(payout.state)
    return payout.state in _ENDED or (name is not None and payout.waiting_for.startswith(name))


def _is_at_rest(world: World, payout: Payout) -> None:
    if not is_at_rest_by_name(world, payout):
        _fail("not_at_rest", f"payout {payout.payout_id} is {payout.state}, waiting for {payout.waiting_for!r}")


def _ledger_says_what_the_chain_did(world: World, payout: Payout, rows: list[PaymentRow]) -> None:
    if payout.snapshot is None or payout.kind is PayoutKind.REDEMPTION:
        return
    has_other = payout.kind.is_corporate_action and _has_other(world, payout, frozenset(PayoutState))
    for row in rows:
        paid = was_paid(world.chain.state, payout.kind, payout.reference_id, row.planned.holder)
        if row.state is PaymentState.PAID and paid != row.planned.amount_base_units:
            _fail("ledger_differs", f"{row.planned.holder} of {payout.payout_id} is PAID, the chain says {paid}")
        elsewhere = row.reason in ("ALREADY_PAID_ELSEWHERE",)
        # A cancelled payout does not ask whether others have paid from its snapshot.
        excused = elsewhere or row.planned.amount_base_units == 0
        excused |= (world.is_restored or world.is_meddled_with) and row.state is not PaymentState.PAID
        # Given up here, and paid by another distribution of the same dividend.
        excused |= has_other and row.state is PaymentState.CANCELLED
        # Paid by another distribution before; a payout that an operator has paused finds that out when it goes on.
        excused |= has_other and payout.state is PayoutState.PAUSED and row.state in _NOT_SENT
        if paid and row.state not in _PAID_OR_ASKED_ABOUT and not excused:
            _fail("ledger_differs", f"{row.planned.holder} of {payout.payout_id} was paid {paid}: {row}")


def _has_cancelled_with_disputes(world: World, payout: Payout) -> bool:
    """Whether another redemption of the bond was cancelled, and of a payee it is disputed what the chain did."""
    return payout.kind is PayoutKind.REDEMPTION and any(
        each.state is PayoutState.CANCELLED and each.progress.failed_count
        for each in world.database.rows("payout").values()
        if each.kind is PayoutKind.REDEMPTION and each.payout_id != payout.payout_id
    )


def _has_other(world: World, payout: Payout, states: frozenset[PayoutState]) -> bool:
    """Whether another payout of the same dividend, coupon or bond is in one of these states."""
    return any(
        each.state in states
        for each in world.database.rows("payout").values()
        if (each.kind, each.action_id) == (payout.kind, payout.action_id) and each.payout_id != payout.payout_id
    )


def _no_redemption_counts_twice(world: World) -> None:
    """What one transaction has paid a holder for its tokens is the money of one payment."""
    seen: set[tuple[str, str]] = set()
    for payout in world.database.rows("payout").values():
        if payout.kind is not PayoutKind.REDEMPTION:
            continue
        for row in world.database.payments(payout.payout_id):
            key = row.transaction_hash, row.planned.holder
            if row.state is PaymentState.PAID and key in seen:
                _fail("redemption_counted_twice", f"{key} of {payout.payout_id}")
            if row.state is PaymentState.PAID:
                seen.add(key)


def _identity(payout: Payout, rows: list[PaymentRow]) -> None:
    if payout.plan is None:
        return
    # Rows of a round that is not frozen yet are no part of the plan: a payout may rest PAUSED in the midst of one.
    planned = [row for row in rows if row.planned.ordinal < payout.plan.holder_count]
    open_base_units = sum(row.planned.amount_base_units for row in planned if row.state in OPEN_STATES)
    payout.plan.assert_identity(
        declared_base_units=payout.total_base_units,
        paid_base_units=BaseUnits(payout.progress.paid_base_units),
        open_base_units=BaseUnits(open_base_units),
        cancelled_base_units=BaseUnits(payout.progress.cancelled_base_units),
    )


def _transactions_are_at_rest(world: World) -> None:
    for intent in world.database.intents():
        if not intent.is_final:
            _fail("not_at_rest", f"{intent.key} is {intent.state}: {intent.problem!r}")
    for sweep in world.database.sweeps():
        if sweep.state.value == "SENDING":
            _fail("not_at_rest", f"sweep {sweep.sweep_id} is SENDING: {sweep.waiting_for!r}")
    for lane in world.database.rows("lane").values():
        if lane.halted_because:
            _fail("not_at_rest", f"{lane.signer} has stopped: {lane.halted_because}")


def _money_is_where_it_was_sent(world: World) -> None:
    """The chain's own books: each payee has what executions paid, the treasurer what sweeps moved."""
    state = world.chain.state
    got: dict[str, int] = {}
    for (_, payee), amount in [*state.paid.items(), *state.distributed.items()]:
        got[payee] = got.get(payee, 0) + amount
    for payee, amount in state.cashed_out.items():
        got[payee] = got.get(payee, 0) + amount
    for mined in state.mined.values():
        call = world.chain.recognise(mined.transaction.call)
        if call.kind is CallKind.SWEEP and mined.succeeded:
            got[TREASURER.value] = got.get(TREASURER.value, 0) + call.sweep_base_units
    for account, amount in got.items():
        if state.money.get(account, 0) != amount:
            _fail("chain_books", f"{account} has {state.money.get(account, 0)}, {amount} were sent")


def _no_false_alarms(world: World) -> None:
    """Reconciliation names a difference only where somebody has meddled, or the database has forgotten."""
    meddled = world.is_money_excused or world.is_restored or world.is_meddled_with or world.chain.cheated_payees
    if meddled:
        return
    for each in world.database.discrepancies():
        # Frozen tokens are paid for by version 8 of the bond and not redeemed; check_payout_at_rest judges that.
        if each.finding.kind not in (DiscrepancyKind.PAYMENT_DISPUTED, DiscrepancyKind.TOKENS_LEFT):
            _fail("false_alarm", f"{each.finding}")
