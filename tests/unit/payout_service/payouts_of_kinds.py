"""What tests of dividends, coupons, redemptions and rules share: such payouts, and their books."""

from collections import Counter
from fractions import Fraction
from uuid import UUID, uuid4

from libs.chain.quantities import BaseUnits, HolderAddress
from libs.idempotency import RequestKey
from libs.payout_terms.terms import NO_RULES, PayeeRules, PayoutKind
from payout_service.application.life.advance_payout import FIRST_STEPS, STEPS, Step
from payout_service.application.life.request_payout import RequestPayoutCommand, request_payout
from payout_service.domain.payments import OPEN_STATES, PaymentState
from payout_service.domain.payout import Payout
from tests.support.payout.memory_chain import CONTRACT
from tests.support.payout.memory_payments import PaymentRow
from tests.support.payout.stage import ASSET_ID, Stage, incoming
from tests.support.payout.terms_of import terms_of

# A token of the bond pays so much: not a whole number, so that amounts floor.
PRINCIPAL = Fraction(201, 2)


def operator_key() -> RequestKey:
    """A call of an operator, with an id of its own."""
    return RequestKey(uuid4(), "Verb", b"", "operator")


def now(stage: Stage) -> int:
    """Seconds since 1970."""
    return int(stage.clock.now().timestamp())


async def request_of(
    stage: Stage,
    kind: PayoutKind = PayoutKind.SNAPSHOT,
    *,
    total: int = 0,
    action_id: int = 0,
    rules: PayeeRules = NO_RULES,
    percentage_basis_points: int | None = None,
) -> UUID:
    """A payout of a kind."""
    if ASSET_ID not in stage.database.rows("lifecycle"):
        await stage.add_asset()
    payout_id = uuid4()
    terms = terms_of(
        kind, total=total, percentage_basis_points=percentage_basis_points, action_id=action_id, rules=rules
    )
    command = RequestPayoutCommand(payout_id, ASSET_ID, stage.clock.now(), terms)
    await request_payout(stage.engine, command, incoming(payout_id))
    return payout_id


def announced(stage: Stage, per_token: Fraction | int | None = 10, *, execution_in: int = -1) -> int:
    """A dividend (of a bond a coupon) whose record date has just passed. Returns its id."""
    record_time = now(stage) - 2
    execution_time = max(record_time, now(stage) + execution_in)
    action_id = stage.chain.announce(record_time, execution_time, per_token)
    stage.chain.mine(3)
    return action_id


def matured(stage: Stage, *, pays_for_frozen: bool = False) -> None:
    """The asset is a bond that may be redeemed."""
    stage.chain.become_bond(now(stage) - 1, PRINCIPAL, pays_for_frozen=pays_for_frozen)


async def funded_of(stage: Stage, kind: PayoutKind) -> UUID:
    """A payout of a kind that nothing stands in the way of, by default amounts."""
    if kind in (PayoutKind.COUPON, PayoutKind.REDEMPTION):
        matured(stage)
    stage.chain.deposit(10**6)
    action_id = announced(stage) if kind.is_corporate_action else 0
    return await request_of(stage, kind, total=10_000 if kind is PayoutKind.SNAPSHOT else 0, action_id=action_id)


def owed_by_kind(kind: PayoutKind, balance: int, supply: int) -> int:
    """What a payout of `funded_of` pays for a balance."""
    if kind is PayoutKind.SNAPSHOT:
        return 10_000 * balance // supply
    return principal_of(balance) if kind is PayoutKind.REDEMPTION else 10 * balance


def step_of(payout: Payout) -> Step:
    """What the worker does with a payout in its state."""
    return FIRST_STEPS[payout.kind].get(payout.state) or STEPS[payout.state]


def principal_of(balance: int) -> int:
    """What a redemption pays for so many tokens."""
    return balance * PRINCIPAL.numerator // PRINCIPAL.denominator


def rows_of(stage: Stage, payout_id: UUID, payee: HolderAddress) -> list[PaymentRow]:
    """All payments of a holder, by round."""
    return [row for row in stage.payments(payout_id) if row.planned.holder == payee]


def states(stage: Stage, payout_id: UUID) -> Counter[str]:
    """How many payments are in each state."""
    return Counter(row.state.value for row in stage.payments(payout_id))


def committed_to(stage: Stage, payout_id: UUID) -> int:
    """What is promised to one payout."""
    _, amount = stage.database.rows("commitment").get(payout_id, (None, 0))
    return int(amount)


def assert_books(stage: Stage, payout_id: UUID) -> Payout:
    """The accounting identity, the figures and the promise of a payout at rest, from its rows."""
    payout = stage.payout(payout_id)
    assert payout.plan
    by_state: Counter[PaymentState] = Counter()
    for row in stage.payments(payout_id):
        by_state[row.state] += row.planned.amount_base_units
    owed = sum(by_state[state] for state in OPEN_STATES)
    progress = payout.progress
    assert progress.paid_base_units == by_state[PaymentState.PAID]
    assert progress.cancelled_base_units == by_state[PaymentState.CANCELLED]
    assert progress.deferred_base_units == by_state[PaymentState.DEFERRED]
    assert progress.deferred_count == states(stage, payout_id)["DEFERRED"]
    assert payout.plan.payable_base_units == sum(by_state.values())
    assert payout.plan.zero_due_count == states(stage, payout_id)["ZERO_DUE"]
    payout.plan.assert_identity(
        declared_base_units=payout.total_base_units,
        paid_base_units=BaseUnits(by_state[PaymentState.PAID]),
        open_base_units=BaseUnits(owed),
        cancelled_base_units=BaseUnits(by_state[PaymentState.CANCELLED]),
    )
    # What has moved to a payee in dispute is not promised any more.
    assert committed_to(stage, payout_id) == owed - sum(row.moved_base_units for row in stage.payments(payout_id))
    return payout


def assert_only_paid(stage: Stage, *payouts: UUID) -> None:
    """What these payouts say is paid is all that has ever left the contract."""
    due: Counter[str] = Counter()
    for payout_id in payouts:
        for row in stage.payments(payout_id):
            if row.state is PaymentState.PAID:
                due[row.planned.holder] += row.planned.amount_base_units
    moved: Counter[str] = Counter()
    for block in stage.chain.blocks:
        for each in block.transfers:
            moved[each.to] += each.amount_base_units
    assert +moved == +due
    assert CONTRACT.value not in moved
