"""Dividends, coupons and redemptions, as the engine may rely on them: in memory and on a node the same."""

from collections.abc import AsyncIterator, Sequence
from fractions import Fraction

import pytest
import pytest_asyncio
from eth_account.signers.local import LocalAccount

from deploy.devnet.artifacts import lifecycle_artifact_path, load_lifecycle_artifact
from deploy.devnet.terms import AssetVersion
from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, SnapshotId, TokenUnits
from libs.evm.rpc import JsonRpc
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.lifecycle_contract import CallKind, RecognisedCall
from payout_service.application.ports.rail import CallWouldRevertError
from payout_service.application.ports.security_token import CorporateAction, EntitlementSource
from payout_service.domain.plan import Entitlement
from payout_service.domain.settlement import Execution, ExecutionKind
from tests.integration.devnet.stage import Stage
from tests.integration.payout_service.chain_venues import (
    BALANCES,
    BIG,
    MIDDLE,
    SMALL,
    STRANGER,
    MemoryVenue,
    NodeVenue,
    Venue,
    balance,
    bond_stage,
    evidence_of,
    mined,
    opened,
    pay,
    sent,
    share,
    snapshot,
)
from tests.support.payout.amounts import entitlement, execution_of

# Base units of the payment token for each base unit of the asset: the smallest holder's floors.
PER_TOKEN = Fraction(125, 100)
ALL = list(BALANCES)


@pytest_asyncio.fixture
async def equity_node(stage: Stage, rpc: JsonRpc, account: LocalAccount) -> AsyncIterator[NodeVenue]:
    async with opened(NodeVenue(stage, rpc, account)) as venue:
        yield venue


@pytest_asyncio.fixture
async def bond_node(stage: Stage, rpc: JsonRpc, account: LocalAccount) -> AsyncIterator[NodeVenue]:
    of_bond, maturity_time = await bond_stage(stage)
    async with opened(NodeVenue(of_bond, rpc, account, maturity_time)) as venue:
        yield venue


@pytest.fixture(params=["memory", "anvil"])
def equity(request: pytest.FixtureRequest) -> Venue:
    if request.param == "memory":
        return MemoryVenue()
    node: NodeVenue = request.getfixturevalue("equity_node")
    return node


@pytest.fixture(params=["memory", "anvil"])
def bond(request: pytest.FixtureRequest) -> Venue:
    if request.param == "memory":
        return MemoryVenue(is_bond=True)
    node: NodeVenue = request.getfixturevalue("bond_node")
    return node


@pytest.fixture(params=["equity", "bond"])
def asset(request: pytest.FixtureRequest) -> str:
    """Which of the two; both announce actions."""
    return str(request.param)


@pytest.fixture(params=["memory", "anvil"])
def venue(request: pytest.FixtureRequest, asset: str) -> Venue:
    """Both assets at both venues."""
    if request.param == "memory":
        return MemoryVenue(is_bond=asset == "bond")
    node: NodeVenue = request.getfixturevalue(f"{asset}_node")
    return node


def action_kind(venue: Venue) -> PayoutKind:
    return PayoutKind.COUPON if venue.maturity_time else PayoutKind.DIVIDEND


def source(venue: Venue, action_id: int) -> EntitlementSource:
    return EntitlementSource(
        token=venue.token, kind=action_kind(venue), action_id=action_id, payment_token_decimals=6
    )


def principal(venue: Venue) -> EntitlementSource:
    return EntitlementSource(token=venue.token, kind=PayoutKind.REDEMPTION, action_id=0, payment_token_decimals=6)


def distribution(action_id: int, payees: Sequence[HolderAddress]) -> Execution:
    return execution_of(ExecutionKind.DISTRIBUTION, action_id, 0, tuple(payees))


def cash_out(payees: Sequence[HolderAddress]) -> Execution:
    return execution_of(ExecutionKind.CASH_OUT, 0, 0, tuple(payees))


async def now(venue: Venue) -> int:
    return (await venue.rail.head()).timestamp


async def block(venue: Venue) -> int:
    return (await venue.rail.head()).number


async def announced(venue: Venue, per_token: Fraction | None = PER_TOKEN) -> tuple[int, CorporateAction]:
    """An action whose record date is in a while, and what is told of it."""
    record_time = await now(venue) + 1_000
    action_id = await venue.announce(record_time, record_time + 500, per_token)
    return action_id, CorporateAction(
        record_time=record_time,
        execution_time=record_time + 500,
        snapshot_id=SnapshotId(0),
        is_cancelled=False,
        is_rate_set=per_token is not None,
    )


async def trigger(venue: Venue) -> None:
    receipt = await mined(venue, await sent(venue, venue.contracts.trigger_snapshots(venue.token)))
    assert receipt.succeeded


async def at_record_date(venue: Venue, per_token: Fraction | None = PER_TOKEN) -> tuple[int, CorporateAction]:
    """An action whose record date has just passed, its snapshot not yet triggered."""
    action_id, action = await announced(venue, per_token)
    await venue.advance_to(action.record_time + 1)
    return action_id, action


async def payable(venue: Venue) -> int:
    """The id of an action that may be paid, its snapshot triggered."""
    action_id, action = await at_record_date(venue)
    await trigger(venue)
    await venue.advance_to(action.execution_time)
    return action_id


async def told(venue: Venue, action_id: int, block_number: BlockNumber | None = None) -> CorporateAction | None:
    return await venue.contracts.corporate_action(venue.token, action_kind(venue), action_id, block_number)


async def matured(venue: Venue) -> None:
    """A bond of version 7 is redeemed after its maturity date, not on it."""
    await venue.advance_to(venue.maturity_time + 1)


# ------------------------------------------------------------------------------------ time, calls, roles


async def test_the_head_tells_the_chains_time(equity: Venue) -> None:
    later = await now(equity) + 12_345
    await equity.advance_to(later)
    assert await now(equity) == later


async def test_calls_of_every_kind_are_recognised(venue: Venue) -> None:
    contracts = venue.contracts
    for execution in (share(7, ALL, 1_000), distribution(3, ALL), cash_out(ALL), cash_out([])):
        call = contracts.pay_batch(venue.lifecycle, venue.token, execution)
        assert call.to == venue.lifecycle
        assert contracts.recognise(call) == RecognisedCall(CallKind.PAY_BATCH, execution)
    triggering = contracts.trigger_snapshots(venue.token)
    assert triggering.to == venue.token
    assert contracts.recognise(triggering) == RecognisedCall(CallKind.TRIGGER_SNAPSHOTS)


async def test_the_roles_of_a_redemption(bond: Venue) -> None:
    assert await bond.contracts.holds_cash_out_role(bond.lifecycle, bond.signer)
    assert await bond.contracts.holds_redeemer_role(bond.token, bond.lifecycle)
    await bond.revoke_redeemer_role()
    assert not await bond.contracts.holds_redeemer_role(bond.token, bond.lifecycle)


async def test_when_a_bond_matures(venue: Venue) -> None:
    assert await venue.contracts.maturity_time(venue.token) == (venue.maturity_time or None)


# ------------------------------------------------------------------------------------ dividends, coupons


async def test_an_action_is_told_as_it_was_announced(venue: Venue) -> None:
    before = await block(venue)
    first, action = await announced(venue)
    assert await told(venue, first) == action
    assert await told(venue, first, BlockNumber(before)) is None, "at the block that is asked for"
    for unknown in (0, first + 1):
        assert await told(venue, unknown) is None
    other = PayoutKind.DIVIDEND if action_kind(venue) is PayoutKind.COUPON else PayoutKind.COUPON
    assert await venue.contracts.corporate_action(venue.token, other, first) is None
    with pytest.raises(ValueError, match="no corporate action"):
        await venue.contracts.corporate_action(venue.token, PayoutKind.REDEMPTION, first)


async def test_nobody_is_entitled_before_the_record_date(venue: Venue) -> None:
    action_id, action = await announced(venue)
    await venue.advance_to(action.record_time)
    of_action, number = source(venue, action_id), await block(venue)
    assert await venue.contracts.entitled_count(of_action, BlockNumber(number)) == 0
    assert (
        await venue.contracts.entitled_page(of_action, page=0, length=10, block_number=BlockNumber(number)) == []
    )
    assert await venue.contracts.entitlements(of_action, [BIG]) == [entitlement(BIG, 0, 0)]


async def test_holders_and_amounts_of_the_record_date(venue: Venue) -> None:
    action_id, action = await at_record_date(venue)
    of_action, live = source(venue, action_id), await block(venue)
    entitled = [
        entitlement(BIG, 60, 75),
        entitlement(MIDDLE, 30, 37),
        Entitlement(SMALL, TokenUnits(10), BaseUnits(12)),
    ]
    assert await venue.contracts.entitled_count(of_action, BlockNumber(live)) == 3
    pages = [
        await venue.contracts.entitled_page(of_action, page=page, length=2, block_number=BlockNumber(live))
        for page in range(3)
    ]
    assert [len(page) for page in pages] == [2, 1, 0]
    assert pages[0] + pages[1] == entitled
    asked = [SMALL, STRANGER, BIG]
    assert await venue.contracts.entitlements(of_action, asked, BlockNumber(live)) == [
        entitled[2],
        entitlement(STRANGER, 0, 0),
        entitled[0],
    ]
    await trigger(venue)
    triggered = await told(venue, action_id)
    assert triggered
    assert triggered.snapshot_id > 0
    assert await told(venue, action_id, BlockNumber(live)) == action, "its snapshot was pending then"


async def test_transfers_after_the_record_date_change_nothing(venue: Venue) -> None:
    await venue.transfer(SMALL, BIG, 4)
    action_id, _ = await at_record_date(venue)
    of_action = source(venue, action_id)
    await trigger(venue)
    # The smallest leaves, a new holder comes.
    await venue.transfer(SMALL, STRANGER, 6)
    await venue.transfer(BIG, STRANGER, 14)
    number = await block(venue)
    assert await venue.contracts.entitled_page(of_action, page=0, length=10, block_number=BlockNumber(number)) == [
        entitlement(BIG, 64, 80),
        entitlement(MIDDLE, 30, 37),
        entitlement(SMALL, 6, 7),
    ]
    assert await venue.contracts.entitlements(of_action, [STRANGER]) == [entitlement(STRANGER, 0, 0)]
    live = dict(await venue.contracts.live_page(venue.token, page=0, length=10, block_number=BlockNumber(number)))
    assert live == {BIG: 50, MIDDLE: 30, STRANGER: 20}


async def test_a_transfer_triggers_a_pending_snapshot_before_it_moves_tokens(venue: Venue) -> None:
    action_id, _ = await at_record_date(venue)
    await venue.transfer(BIG, MIDDLE, 60)
    triggered = await told(venue, action_id)
    assert triggered
    assert triggered.snapshot_id == 1
    of_action = source(venue, action_id)
    assert await venue.contracts.entitlements(of_action, [BIG, MIDDLE]) == [
        entitlement(BIG, 60, 75),
        entitlement(MIDDLE, 30, 37),
    ]


async def test_a_snapshot_with_a_pending_one_uses_two_ids(venue: Venue) -> None:
    action_id, _ = await at_record_date(venue)
    assert await snapshot(venue) == 2
    triggered = await told(venue, action_id)
    assert triggered
    assert triggered.snapshot_id == 1


async def test_triggering_what_is_not_due_changes_nothing(venue: Venue) -> None:
    action_id, action = await announced(venue)
    await trigger(venue)
    assert await told(venue, action_id) == action


async def test_frozen_tokens_count_at_the_record_date(venue: Venue) -> None:
    await venue.freeze(BIG, 50)
    action_id, _ = await at_record_date(venue)
    for _ in range(2):
        assert await venue.contracts.entitlements(source(venue, action_id), [BIG]) == [entitlement(BIG, 60, 75)]
        await trigger(venue)
    assert await venue.contracts.live_balances(venue.token, [BIG], BlockNumber(await block(venue))) == {BIG: 10}


async def test_a_distribution_pays_each_payee_once(venue: Venue) -> None:
    await venue.deposit(5_000)
    action_id = await payable(venue)
    first = distribution(action_id, [BIG, SMALL])
    receipt, batch = await pay(venue, first)
    assert receipt.succeeded
    evidence = await evidence_of(venue, batch)
    assert evidence.event
    assert (evidence.event.execution, evidence.event.failed) == (first, ())
    assert evidence.event.paid == dict(evidence.transferred) == {BIG: 75, SMALL: 12}
    assert dict(evidence.redeemed) == {}
    _, second = await pay(venue, distribution(action_id, [SMALL, MIDDLE, MIDDLE]))
    evidence = await evidence_of(venue, second)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((SMALL, MIDDLE), {MIDDLE: 37})
    assert [await balance(venue, each) for each in ALL] == [75, 37, 12]


async def test_each_kind_has_paid_flags_of_its_own(venue: Venue) -> None:
    await venue.deposit(5_000)
    action_id = await payable(venue)
    snapshot_id = await snapshot(venue)
    assert snapshot_id == 2
    receipt, _ = await pay(venue, distribution(action_id, [BIG]))
    _, _ = await pay(venue, share(snapshot_id, [SMALL]))

    async def flags(kind: ExecutionKind, reference_id: int, block_number: int) -> dict[HolderAddress, bool]:
        return await venue.contracts.paid_flags(
            venue.lifecycle, kind, reference_id, [BIG, SMALL], BlockNumber(block_number)
        )

    number, then = await block(venue), receipt.outcome.block_number
    assert await flags(ExecutionKind.DISTRIBUTION, action_id, number) == {BIG: True, SMALL: False}
    assert await flags(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, number) == {BIG: False, SMALL: True}
    assert await flags(ExecutionKind.DISTRIBUTION, snapshot_id, number) == {BIG: False, SMALL: False}
    assert await flags(ExecutionKind.AMOUNT_SNAPSHOT, action_id, number) == {BIG: False, SMALL: False}
    assert await flags(ExecutionKind.DISTRIBUTION, action_id, then - 1) == {BIG: False, SMALL: False}
    assert await flags(ExecutionKind.CASH_OUT, 0, number) == {BIG: False, SMALL: False}


async def test_a_distribution_before_its_time_or_of_nothing_reverts(venue: Venue) -> None:
    action_id, action = await at_record_date(venue)

    async def estimate(of_action: int) -> None:
        call = venue.contracts.pay_batch(venue.lifecycle, venue.token, distribution(of_action, [BIG]))
        assert await venue.rail.estimate_gas(venue.signer, call) > 50_000

    with pytest.raises(CallWouldRevertError, match=rf"^NotPaymentDate\({action.execution_time}, "):
        await estimate(action_id)
    with pytest.raises(CallWouldRevertError, match="WrongIndexForAction"):
        await estimate(action_id + 1)
    with pytest.raises(CallWouldRevertError, match=r"^Panic\(17\)$"):
        await estimate(0)
    await venue.deposit(5_000)
    await venue.advance_to(action.execution_time)
    await estimate(action_id)


async def test_a_cancelled_dividend_is_told_and_still_pays(equity: Venue) -> None:
    await equity.deposit(5_000)
    action_id, action = await at_record_date(equity)
    await trigger(equity)
    await equity.cancel(action_id)
    cancelled = await told(equity, action_id)
    assert cancelled
    assert cancelled.is_cancelled
    assert await equity.contracts.entitlements(source(equity, action_id), [BIG]) == [entitlement(BIG, 60, 75)]
    await equity.advance_to(action.execution_time)
    await pay(equity, distribution(action_id, [BIG]))
    assert await balance(equity, BIG) == 75


async def test_a_cancelled_coupon_owes_nothing_and_reverts(bond: Venue) -> None:
    await bond.deposit(5_000)
    action_id, action = await at_record_date(bond)
    await trigger(bond)
    await bond.cancel(action_id)
    cancelled = await told(bond, action_id)
    assert cancelled
    assert cancelled.is_cancelled
    assert await bond.contracts.entitlements(source(bond, action_id), [BIG]) == [entitlement(BIG, 0, 0)]
    await bond.advance_to(action.execution_time)
    call = bond.contracts.pay_batch(bond.lifecycle, bond.token, distribution(action_id, [BIG]))
    with pytest.raises(CallWouldRevertError, match=r"^Panic\(18\)$"):
        await bond.rail.estimate_gas(bond.signer, call)


async def test_what_is_cancelled_while_pending_takes_no_snapshot(venue: Venue) -> None:
    action_id, _ = await at_record_date(venue)
    await venue.cancel(action_id)
    await trigger(venue)
    cancelled = await told(venue, action_id)
    assert cancelled
    assert (cancelled.is_cancelled, cancelled.snapshot_id) == (True, 0)


async def test_a_coupon_whose_rate_is_set_later(bond: Venue) -> None:
    await bond.deposit(5_000)
    action_id, pending = await at_record_date(bond, None)
    of_coupon = source(bond, action_id)
    assert not pending.is_rate_set
    assert await told(bond, action_id) == pending
    assert await bond.contracts.entitlements(of_coupon, [BIG]) == [entitlement(BIG, 60, 0)]
    before = await block(bond)
    await trigger(bond)
    await bond.set_rate(action_id, PER_TOKEN)
    rated = await told(bond, action_id)
    assert rated
    assert rated.is_rate_set
    assert await bond.contracts.entitlements(of_coupon, [BIG]) == [entitlement(BIG, 60, 75)]
    assert await bond.contracts.entitlements(of_coupon, [BIG], BlockNumber(before)) == [entitlement(BIG, 60, 0)]
    await bond.advance_to(pending.execution_time)
    await pay(bond, distribution(action_id, [BIG]))
    assert await balance(bond, BIG) == 75


# ------------------------------------------------------------------------------------ redemption


async def test_the_principal_of_live_balances(bond: Venue) -> None:
    before = await block(bond)
    assert await bond.contracts.entitled_count(principal(bond), BlockNumber(before)) == 3
    owed = [entitlement(BIG, 60, 3), entitlement(MIDDLE, 30, 1), Entitlement(SMALL, TokenUnits(10), BaseUnits(0))]
    assert (
        await bond.contracts.entitled_page(principal(bond), page=0, length=10, block_number=BlockNumber(before))
        == owed
    )
    assert (
        await bond.contracts.entitled_page(principal(bond), page=1, length=2, block_number=BlockNumber(before))
        == owed[2:]
    )
    await bond.transfer(BIG, STRANGER, 40)
    assert await bond.contracts.entitlements(principal(bond), [STRANGER, BIG]) == [
        entitlement(STRANGER, 40, 2),
        entitlement(BIG, 20, 1),
    ]
    assert await bond.contracts.entitlements(principal(bond), [STRANGER, BIG], BlockNumber(before)) == [
        entitlement(STRANGER, 0, 0),
        owed[0],
    ]
    assert await bond.contracts.entitled_count(principal(bond), BlockNumber(await block(bond))) == 4


async def test_a_cash_out_pays_and_burns(bond: Venue) -> None:
    await bond.deposit(100)
    await matured(bond)
    batch = cash_out([BIG, SMALL, STRANGER])
    receipt, batch_hash = await pay(bond, batch)
    assert receipt.succeeded
    evidence = await evidence_of(bond, batch_hash)
    assert evidence.event
    assert (evidence.event.execution, evidence.event.failed) == (batch, ())
    assert dict(evidence.event.paid) == {BIG: 3, SMALL: 0, STRANGER: 0}
    assert dict(evidence.transferred) == {BIG: 3}, "of nothing there is no transfer"
    assert dict(evidence.redeemed) == {BIG: 60, SMALL: 10}, "burned, though the principal floors to nothing"
    number, parent = receipt.outcome.block_number, receipt.outcome.block_number - 1
    assert await bond.contracts.live_totals(bond.token, number) == (1, 30)
    assert await bond.contracts.entitled_page(principal(bond), page=0, length=10, block_number=number) == [
        entitlement(MIDDLE, 30, 1)
    ]
    assert await bond.contracts.entitlements(principal(bond), [BIG], BlockNumber(parent)) == [
        entitlement(BIG, 60, 3)
    ]


async def test_a_second_cash_out_pays_nothing_and_says_that_it_succeeded(bond: Venue) -> None:
    await bond.deposit(100)
    await matured(bond)
    await pay(bond, cash_out([BIG, MIDDLE]))
    _, second = await pay(bond, cash_out([BIG]))
    evidence = await evidence_of(bond, second)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((), {BIG: 0})
    assert dict(evidence.redeemed) == {}
    assert await balance(bond, BIG) == 3


async def test_a_payee_twice_in_one_cash_out_is_paid_once(bond: Venue) -> None:
    await bond.deposit(100)
    await matured(bond)
    _, batch = await pay(bond, cash_out([BIG, BIG]))
    evidence = await evidence_of(bond, batch)
    assert evidence.event
    assert evidence.event.paid == dict(evidence.transferred) == {BIG: 3}
    assert dict(evidence.redeemed) == {BIG: 60}


async def test_a_cash_out_before_maturity_reverts(bond: Venue) -> None:
    call = bond.contracts.pay_batch(bond.lifecycle, bond.token, cash_out([BIG]))
    with pytest.raises(CallWouldRevertError, match=rf"^NotPaymentDate\({bond.maturity_time}, "):
        await bond.rail.estimate_gas(bond.signer, call)
    await bond.deposit(100)
    await matured(bond)
    assert await bond.rail.estimate_gas(bond.signer, call) > 50_000


async def test_the_published_lifecycle_contract_redeems_no_bond_of_version_8(
    stage: Stage, rpc: JsonRpc, account: LocalAccount
) -> None:
    published = load_lifecycle_artifact(lifecycle_artifact_path(AssetVersion.VERSION_7))
    of_bond, maturity_time = await bond_stage(stage, AssetVersion.VERSION_8, published)
    async with opened(NodeVenue(of_bond, rpc, account, maturity_time)) as bond:
        await bond.deposit(100)
        await matured(bond)
        call = bond.contracts.pay_batch(bond.lifecycle, bond.token, cash_out([BIG]))
        with pytest.raises(CallWouldRevertError) as caught:
            await bond.rail.estimate_gas(bond.signer, call)
    # The selector is that of getBondDetails.
    assert caught.value.reason == "FunctionNotFound(0x4ce02414)"


async def test_one_listed_holder_reverts_the_whole_cash_out(bond: Venue) -> None:
    await bond.deposit(100)
    await matured(bond)
    await bond.list_holder(MIDDLE)
    call = bond.contracts.pay_batch(bond.lifecycle, bond.token, cash_out(ALL))
    with pytest.raises(CallWouldRevertError) as caught:
        await bond.rail.estimate_gas(bond.signer, call)
    assert caught.value.reason == f"AccountIsBlocked({MIDDLE})"
    receipt, batch = await pay(bond, cash_out(ALL))
    assert not receipt.succeeded
    evidence = await evidence_of(bond, batch)
    assert (evidence.event, dict(evidence.transferred), dict(evidence.redeemed)) == (None, {}, {})
    assert [await balance(bond, each) for each in ALL] == [0, 0, 0]
    receipt, _ = await pay(bond, cash_out([BIG, SMALL]))
    assert receipt.succeeded
    await bond.unlist_holder(MIDDLE)
    receipt, _ = await pay(bond, cash_out([MIDDLE]))
    assert receipt.succeeded
    assert [await balance(bond, each) for each in ALL] == [3, 1, 0]


async def test_without_the_redeemer_role_a_cash_out_reverts(bond: Venue) -> None:
    await bond.deposit(100)
    await matured(bond)
    await bond.revoke_redeemer_role()
    call = bond.contracts.pay_batch(bond.lifecycle, bond.token, cash_out([BIG]))
    with pytest.raises(CallWouldRevertError, match="AccountHasNoRole"):
        await bond.rail.estimate_gas(bond.signer, call)


async def test_who_is_not_paid_keeps_the_tokens(bond: Venue) -> None:
    await bond.deposit(3)
    await matured(bond)
    await bond.block_payee(MIDDLE)
    # Never redeemed, so it does not matter that the asset would refuse.
    await bond.list_holder(MIDDLE)
    receipt, batch = await pay(bond, cash_out([MIDDLE, BIG]))
    assert receipt.succeeded
    evidence = await evidence_of(bond, batch)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((MIDDLE,), {BIG: 3})
    assert dict(evidence.redeemed) == {BIG: 60}
    number = await block(bond)
    assert await bond.contracts.live_balances(bond.token, [MIDDLE, BIG], BlockNumber(number)) == {
        MIDDLE: 30,
        BIG: 0,
    }


async def test_who_is_due_nothing_is_redeemed_even_if_the_token_refuses_the_payee(bond: Venue) -> None:
    await matured(bond)
    await bond.block_payee(SMALL)
    _, batch = await pay(bond, cash_out([SMALL]))
    evidence = await evidence_of(bond, batch)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((), {SMALL: 0})
    assert dict(evidence.redeemed) == {SMALL: 10}


async def test_frozen_tokens_are_neither_paid_nor_redeemed(bond: Venue) -> None:
    await bond.deposit(100)
    await bond.freeze(BIG, 40)
    await bond.freeze(MIDDLE, 30)
    await matured(bond)
    asked = [BIG, MIDDLE]
    owed = await bond.contracts.entitlements(principal(bond), asked)
    assert [(each.balance, each.amount_base_units, each.is_overpaid) for each in owed] == [
        (20, 1, False),
        (0, 0, False),
    ]
    assert [each.per_token_base_units for each in owed] == [Fraction(5, 100), None]
    assert all("frozen" in each.obstacle for each in owed)
    _, batch = await pay(bond, cash_out(asked))
    evidence = await evidence_of(bond, batch)
    assert evidence.event
    assert dict(evidence.event.paid) == {BIG: 1, MIDDLE: 0}
    assert dict(evidence.redeemed) == {BIG: 20}
    assert await bond.contracts.live_totals(bond.token, BlockNumber(await block(bond))) == (3, 80)
    assert await bond.contracts.entitled_count(principal(bond), BlockNumber(await block(bond))) == 3, (
        "they stay in the list"
    )


async def test_executions_of_every_kind_are_found(bond: Venue) -> None:
    await bond.deposit(5_000)
    of_shares = share(await snapshot(bond), [BIG, SMALL])
    of_coupon = distribution(await payable(bond), [MIDDLE])
    await matured(bond)
    of_principal = cash_out([SMALL, BIG])
    expected = []
    for execution in (of_shares, of_coupon, of_principal):
        receipt, transaction_hash = await pay(bond, execution)
        event = (await evidence_of(bond, transaction_hash)).event
        assert event
        assert event.execution == execution
        expected.append((transaction_hash, receipt.outcome.block_number, event))
    head = await block(bond)
    found = await bond.contracts.executions(bond.lifecycle, from_block=BlockNumber(0), to_block=BlockNumber(head))
    assert [(each.transaction_hash, each.block_number, each.event) for each in found] == expected
    assert (
        await bond.contracts.executions(bond.lifecycle, from_block=expected[1][1], to_block=expected[1][1])
        == found[1:2]
    )
    transfers = await bond.contracts.outgoing_transfers(
        bond.money, bond.lifecycle, from_block=expected[1][1], to_block=BlockNumber(head)
    )
    assert [(each.to, each.amount_base_units) for each in transfers if each.amount_base_units] == [
        (MIDDLE, 37),
        (BIG, 3),
    ]


async def test_a_reorg_takes_a_redemption_back(bond: Venue) -> None:
    await bond.deposit(100)
    await matured(bond)
    _, batch = await pay(bond, cash_out([BIG]))
    await bond.mine()
    await bond.reorg(2)
    assert await bond.rail.find_receipt(batch) is None
    assert await bond.contracts.entitlements(principal(bond), [BIG]) == [entitlement(BIG, 60, 3)]
    assert await balance(bond, BIG) == 0


# ------------------------------------------------------------------------------------ the memory chain alone


async def test_in_memory_others_pay_too() -> None:
    venue = MemoryVenue(is_bond=True)
    await venue.deposit(100)
    await matured(venue)
    for payees in ([BIG], [MIDDLE]):
        venue.chain.pay_elsewhere(cash_out(payees))
    await venue.mine()
    found = await venue.contracts.executions(
        venue.lifecycle, from_block=BlockNumber(0), to_block=BlockNumber(await block(venue))
    )
    assert [each.event.execution for each in found] == [cash_out([BIG]), cash_out([MIDDLE])]
    evidence = await evidence_of(venue, found[0].transaction_hash)
    assert dict(evidence.redeemed) == {BIG: 60}
    assert await venue.rail.nonce_at(venue.signer, None) == 0


async def test_in_memory_a_bond_of_version_8_tells_what_it_will_not_redeem() -> None:
    """Its principal counts frozen tokens, which it does not burn: every cash-out pays for them again."""
    venue = MemoryVenue(is_bond=True)
    venue.chain.become_bond(venue.maturity_time, 1, pays_for_frozen=True)
    await venue.deposit(1_000)
    await venue.freeze(BIG, 20)
    await matured(venue)
    first, second = await venue.contracts.entitlements(principal(venue), [BIG, SMALL])
    assert (first.balance, first.amount_base_units, bool(first.obstacle)) == (40, 60, True)
    assert second == entitlement(SMALL, 10, 10)
    await pay(venue, cash_out([BIG]))
    _, again = await pay(venue, cash_out([BIG]))
    assert dict((await evidence_of(venue, again)).redeemed) == {}
    assert await balance(venue, BIG) == 80


async def test_in_memory_a_reorg_does_again_what_others_did() -> None:
    venue = MemoryVenue()
    action_id, action = await announced(venue)
    await venue.transfer(BIG, STRANGER, 5)
    await venue.reorg(2)
    assert await told(venue, action_id) == action
    assert await venue.contracts.live_balances(venue.token, [BIG, STRANGER], BlockNumber(await block(venue))) == {
        BIG: 55,
        STRANGER: 5,
    }


async def test_in_memory_a_listed_holder_cannot_transfer() -> None:
    venue = MemoryVenue()
    await venue.list_holder(BIG)
    await venue.transfer(BIG, STRANGER, 5)
    assert await venue.contracts.live_totals(EvmAddress(venue.token.value), BlockNumber(await block(venue))) == (
        3,
        100,
    )
