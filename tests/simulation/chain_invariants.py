"""What must hold by the chain: whom our executions paid, and whom they left out. The ledger is not believed."""

from uuid import UUID

from libs.chain.quantities import HolderAddress
from libs.payout_terms.terms import PayeeRules, PayoutKind
from payout_service.domain.payments import OPEN_STATES, PaymentState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.settlement import Execution, ExecutionKind
from tests.simulation.dues import (
    Due,
    dues_of_action,
    dues_of_snapshot,
    free_principal,
    principal_of,
    total_for,
)
from tests.simulation.watching import InvariantError
from tests.simulation.world import World
from tests.support.payout.memory_contract import Mined, State
from tests.support.payout.memory_database import PaymentRow

_EXECUTIONS = {
    PayoutKind.SNAPSHOT: ExecutionKind.AMOUNT_SNAPSHOT,
    PayoutKind.DIVIDEND: ExecutionKind.DISTRIBUTION,
    PayoutKind.COUPON: ExecutionKind.DISTRIBUTION,
    PayoutKind.REDEMPTION: ExecutionKind.CASH_OUT,
}
_PAID_OR_ASKED_ABOUT = frozenset({PaymentState.PAID, PaymentState.DISPUTED})


def check_executions(world: World) -> None:
    """A payout's own batches pay a holder once, from one snapshot, what its total and its rules give.

    A batch is a payout's own by who sent its bytes, whatever a restored database says afterwards.
    """
    present = world.chain.state, world.database.owners_learned
    if present[0] is world.executions_checked[0] and present[1] == world.executions_checked[1]:
        return
    world.executions_checked = present
    paid: dict[tuple[UUID, str], int] = {}
    for transaction_hash, mined in world.chain.state.mined.items():
        key = world.database.owner_of.get(transaction_hash, "")
        event = mined.evidence.event if mined.evidence else None
        if event is None or not key.startswith("batch/"):
            continue
        payout_id = UUID(key.split("/")[1])
        if world.judged.get(transaction_hash) is not mined:
            world.judged[transaction_hash] = mined
            _judge(world, key, payout_id, mined, event.execution)
        for payee in event.paid:
            before = paid.setdefault((payout_id, payee), event.execution.reference_id)
            if before != event.execution.reference_id:
                _fail("paid_twice", f"{payee} of {payout_id} from {before} and {event.execution.reference_id}")


def check_payout_at_rest(world: World, payout: Payout, rows: list[PaymentRow]) -> None:
    """Nobody is left out, and nobody's amount is another than it should be."""
    if payout.plan is None or payout.snapshot is None:
        return
    if payout.kind is PayoutKind.REDEMPTION:
        _every_holder_is_redeemed_or_named(world, payout, rows)
        _overpaid_are_disputed(world, payout, rows)
        return
    state = world.chain.state
    if payout.kind.is_corporate_action and not state.actions[payout.action_id].snapshot_id:
        _fail("planned_before_its_snapshot", f"{payout.kind} {payout.action_id} of {payout.payout_id} is pending")
    dues = (
        dues_of_snapshot(payout.total_base_units, state.snapshots[payout.reference_id], payout.rules)
        if payout.kind is PayoutKind.SNAPSHOT
        else dues_of_action(payout.action_id, state, payout.rules)
    )
    _rows_are_the_dues(payout, rows, dues)


def _fail(name: str, what: str) -> None:
    raise InvariantError(name, what)


def _judge(world: World, key: str, payout_id: UUID, mined: Mined, execution: Execution) -> None:
    """One execution of ours, as it was mined."""
    kind, rules = world.database.terms_of[payout_id]
    if execution.kind is not _EXECUTIONS[kind]:
        _fail("paid_by_another_call", f"{key} is {execution.kind}")
    event = mined.evidence.event if mined.evidence else None
    for payee, amount in (event.paid if event else {}).items():
        if payee in rules.excluded:
            _fail("excluded_was_paid", f"{key} paid {payee} {amount}")
        is_below = 0 < amount < rules.minimum_base_units
        if is_below and (payout_id, payee) not in world.database.released:
            _fail("paid_below_minimum", f"{key} paid {payee} {amount}")
        if kind is PayoutKind.SNAPSHOT:
            _total_is_the_payees(world, key, payout_id, execution, payee, rules)
        elif kind is PayoutKind.REDEMPTION:
            _no_more_than_burned(world, key, mined, payee, amount)


def _total_is_the_payees(
    world: World, key: str, payout_id: UUID, execution: Execution, payee: HolderAddress, rules: PayeeRules
) -> None:
    """The one argument that decides what a payee gets."""
    snapshot = world.chain.state.snapshots[execution.reference_id]
    totals = {total_for(payee, total, snapshot, rules) for total in world.database.totals_of[payout_id]}
    if execution.total_base_units not in totals:
        _fail("paid_what_is_not_owed", f"{key} pays {payee} of {execution.total_base_units}, not of {totals}")


def _no_more_than_burned(world: World, key: str, mined: Mined, payee: HolderAddress, amount: int) -> None:
    """Version 7 of the bond pays for the tokens that it burns; version 8 for others, which only we can prevent."""
    burned = (mined.evidence.redeemed.get(payee) if mined.evidence else None) or 0
    if amount <= principal_of(world.chain, burned):
        return
    if world.chain.bond is None or not world.chain.bond.pays_for_frozen:
        _fail("redeemed_for_too_much", f"{key} paid {payee} {amount} for {burned} tokens")
    world.happened["frozen_tokens_paid"] += 1


# ---------------------------------------------------------------------------------------- at rest


def _rows_are_the_dues(payout: Payout, rows: list[PaymentRow], dues: dict[str, Due]) -> None:
    """Every holder stands in the plan once; gross less withheld is net; who is left is named."""
    if sorted(row.planned.holder for row in rows) != sorted(dues):
        _fail("short", f"payout {payout.payout_id} has {len(rows)} payments, {len(dues)} holders are due")
    for row in rows:
        planned, due = row.planned, dues[row.planned.holder]
        if (planned.gross_base_units, planned.amount_base_units) != (due.gross, due.net):
            _fail("plan_differs", f"{payout.payout_id}: {planned}, by the chain {due}")
        if row.state in (PaymentState.ZERO_DUE, PaymentState.EXCLUDED) and due.net:
            _fail("short", f"{payout.payout_id}: {row.state} {planned.holder}, who is due {due}")
        if payout.state is PayoutState.COMPLETED and row.state in OPEN_STATES:
            _fail("short", f"{payout.payout_id} is COMPLETED, and {planned.holder} is {row.state}")


def _every_holder_is_redeemed_or_named(world: World, payout: Payout, rows: list[PaymentRow]) -> None:
    """In the last list of the live holders nobody stood who was owed something and is no open payment.

    Who has something now and had nothing then got it later: from tokens that were frozen, or too few to be worth
    a base unit.
    """
    has_ended = payout.state in (PayoutState.COMPLETED, PayoutState.INCOMPLETE)
    if not has_ended or payout.wants_round or payout.snapshot is None:
        if payout.state is PayoutState.COMPLETED:
            _fail("short", f"{payout.payout_id} is COMPLETED and wants another round")
        return
    named = {row.planned.holder for row in rows if row.state in OPEN_STATES}
    listed = world.chain.blocks[payout.snapshot.block_number].state
    for holder in world.people:
        if holder not in named and free_principal(world.chain, listed, holder):
            _fail("short", f"{holder} of {payout.payout_id} was listed last and is no open payment")
    _nothing_came_later(world, payout, named, listed)


def _nothing_came_later(world: World, payout: Payout, named: set[HolderAddress], listed: State) -> None:
    """Free tokens of holders that are named nowhere, beyond what can have become free."""
    state = world.chain.state
    left = sum(free_principal(world.chain, state, each) for each in world.people if each not in named)
    scraps = principal_of(world.chain, sum(listed.free(each) for each in world.people if each not in named) + 1)
    later = scraps + world.unpromised_base_units
    if left > later:
        _fail("short", f"{payout.payout_id}: {left} is owed to holders that nothing names, {later} came later")


def _overpaid_are_disputed(world: World, payout: Payout, rows: list[PaymentRow]) -> None:
    """Version 8 of the bond: what was paid for frozen tokens is shown to an operator."""
    if world.is_restored:
        return
    for transaction_hash, mined in world.chain.state.mined.items():
        key = world.database.owner_of.get(transaction_hash, "")
        event = mined.evidence.event if mined.evidence else None
        if event is None or not mined.evidence or not key.startswith(f"batch/{payout.payout_id}/"):
            continue
        for payee, amount in event.paid.items():
            mine = [
                row for row in rows if row.transaction_hash == transaction_hash and row.planned.holder == payee
            ]
            states = {row.state for row in mine}
            too_much = amount > principal_of(world.chain, mined.evidence.redeemed.get(payee) or 0)
            if too_much and states != {PaymentState.DISPUTED}:
                _fail("overpaid_not_named", f"{key} paid {payee} {amount}; its payments are {states}")
            if amount and not states & _PAID_OR_ASKED_ABOUT:
                _fail("ledger_differs", f"{key} paid {payee} {amount}; its payments are {states}")
