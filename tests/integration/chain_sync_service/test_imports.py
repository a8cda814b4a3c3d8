"""Imports of many assets, imports that are killed, and corporate actions as events."""

from uuid import UUID, uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from google.protobuf.timestamp_pb2 import Timestamp
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import events_pb2

from deploy.devnet.deployer import seeded_holders
from deploy.devnet.terms import BondTerms, Coupon, Dividend, SecurityType
from libs.evm.interfaces import GET_TOTAL_SECURITY_HOLDERS
from tests.integration.chain_sync_service.harness import CONFIRMATIONS, Harness, eventually
from tests.integration.chain_sync_service.rpc_proxy import Fault, answer_with

ALICE, BOB = (to_checksum_address(f"0x{number:040x}") for number in (0xA11CE, 0xB0B))
ASSET_COUNT = 30
MINED_BLOCKS = 5
MOST_REQUESTS_PER_BLOCK = 4
HOLDER_COUNT = 300
CALLS_PER_STEP = 2
MOST_STEPS = 100
DAY_SECONDS = 86_400


# ------------------------------------------------------------------------------ many assets


async def test_many_assets_are_followed_with_few_requests(harness: Harness) -> None:
    tokens = [await harness.deploy_token() for _ in range(ASSET_COUNT)]
    for number, token in enumerate(tokens):
        await harness.devnet.issue(token, {ALICE: 100 + number})
    await harness.mine(CONFIRMATIONS)
    assets = [await harness.follow(token) for token in tokens]
    for asset_id in assets:
        await harness.caught_up(asset_id)
    harness.proxy.reset()
    for number in range(MINED_BLOCKS):
        # Each transfer mines a block.
        await harness.devnet.transfer(tokens[number], ALICE, BOB, 1 + number)
        for asset_id in assets:
            await harness.caught_up(asset_id)
    request_count = len(harness.proxy.served_windows)
    assert 0 < request_count <= MOST_REQUESTS_PER_BLOCK * MINED_BLOCKS
    await harness.mine(CONFIRMATIONS)
    for number, (token, asset_id) in enumerate(zip(tokens, assets, strict=True)):
        await harness.caught_up(asset_id)
        register = await harness.register(asset_id)
        moved = 1 + number if number < MINED_BLOCKS else 0
        assert register.get(BOB.lower(), 0) == moved
        assert register == await harness.balances_on_chain(token, [ALICE, BOB])


# ------------------------------------------------------------------------------ killed imports


async def test_an_import_by_list_goes_on_after_kills(harness: Harness) -> None:
    token = await harness.deploy_token()
    issued = dict(seeded_holders(HOLDER_COUNT, seed=11))
    await harness.devnet.issue(token, issued)
    await harness.mine(CONFIRMATIONS)
    let_pass(harness, 0)
    asset_id = uuid4()
    await harness.chain_sync.UpsertListener(
        pb.UpsertListenerRequest(
            request_id=str(uuid4()),
            name=f"listeners/{asset_id}",
            token=token,
            holder_source=pb.Listener.HOLDER_SOURCE_LIST,
        )
    )
    rich = max(issued, key=lambda holder: issued[holder])

    listing = await stopped_amid(harness, asset_id, pb.Listener.STATE_LISTING)
    await harness.service.kill_and_restart()
    await harness.devnet.transfer(token, rich, BOB, 7)
    reading = await stopped_amid(harness, asset_id, pb.Listener.STATE_READING)
    assert reading.pinned_block_number == listing.pinned_block_number
    await harness.service.kill_and_restart()
    await harness.devnet.transfer(token, rich, BOB, 8)
    await harness.mine(CONFIRMATIONS)

    harness.proxy.set_fault(None)
    status = await harness.caught_up(asset_id)
    # A step that was under way when the listener was made may pin an older head than the newest.
    (expected_count,) = await harness.rpc.call(
        token, GET_TOTAL_SECURITY_HOLDERS, block=hex(listing.pinned_block_number)
    )
    assert (status.progress.holder_count, status.progress.listed_count) == (expected_count, expected_count)
    # The harness sees to it that all deltas of a holder sum to what each event tells that they have.
    register = await harness.register(asset_id)
    assert register == await harness.balances_on_chain(token, [*issued, BOB])
    assert register == {
        **{holder.lower(): amount for holder, amount in issued.items()},
        rich.lower(): issued[rich] - 15,
        BOB.lower(): 15,
    }
    told = [change.holder for event in await harness.events(asset_id) for change in event.changes]
    untouched = {holder.lower() for holder in issued if holder != rich}
    assert sorted(holder for holder in told if holder in untouched) == sorted(untouched)


def let_pass(harness: Harness, count: int) -> None:
    """The node answers so many requests for the state of contracts, and no more."""
    harness.proxy.set_fault(Fault("eth_call", answer_with(500), spared_count=count))


async def stopped_amid(harness: Harness, asset_id: UUID, state: pb.Listener.State) -> pb.ImportProgress:
    """Lets the import go on by little steps, until it stands still in the midst of this state."""
    for _ in range(MOST_STEPS):
        let_pass(harness, CALLS_PER_STEP)

        async def stands_still() -> bool:
            return harness.proxy.spoilt_count > 0

        await eventually(stands_still, "the import waits for the node")
        status = await harness.status(asset_id)
        progress = status.progress
        count = progress.listed_count if state == pb.Listener.STATE_LISTING else progress.unread_count
        if status.state == state and 0 < count < progress.holder_count:
            return progress
    raise AssertionError(f"never amid {pb.Listener.State.Name(state)}")


# ------------------------------------------------------------------------------ corporate actions


async def test_dividends_are_told_as_announced_and_cancelled(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {ALICE: 100})
    asset_id = await harness.follow(token)
    now = await harness.devnet.chain_time()
    terms = Dividend(
        record_date=now + DAY_SECONDS, execution_date=now + 2 * DAY_SECONDS, amount=125, amount_decimals=2
    )
    dividend_id = await harness.devnet.set_dividend(token, terms)
    announced_in = await harness.head()
    await harness.devnet.cancel_dividend(token, dividend_id)
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)

    (message,) = await harness.messages(asset_id, "corporate_action_announced", 1)
    announced = events_pb2.CorporateActionAnnounced.FromString(message)
    assert announced.action == pb.CorporateAction(
        kind=pb.CorporateAction.KIND_DIVIDEND,
        action_id=dividend_id,
        record_time=Timestamp(seconds=terms.record_date),
        execution_time=Timestamp(seconds=terms.execution_date),
        amount="125",
        amount_decimals=2,
    )
    assert announced.position.block_number == announced_in
    assert announced.position.contract == token.lower()
    (message,) = await harness.messages(asset_id, "corporate_action_cancelled", 1)
    cancelled = events_pb2.CorporateActionCancelled.FromString(message)
    assert (cancelled.kind, cancelled.action_id) == (pb.CorporateAction.KIND_DIVIDEND, dividend_id)
    assert not cancelled.forced
    assert cancelled.position.block_number == announced_in + 1
    assert cancelled.sequence == announced.sequence + 1
    await assert_listed(
        harness,
        asset_id,
        {
            announced.sequence: pb.ChainEvent.KIND_CORPORATE_ACTION_ANNOUNCED,
            cancelled.sequence: pb.ChainEvent.KIND_CORPORATE_ACTION_CANCELLED,
        },
    )


async def test_a_pending_coupon_is_told_again_once_its_rate_is_set(harness: Harness) -> None:
    now = await harness.devnet.chain_time()
    bond = await deploy_bond(harness, now)
    await harness.devnet.issue(bond, {ALICE: 100})
    asset_id = await harness.follow(bond)
    terms = Coupon(
        record_date=now + DAY_SECONDS,
        execution_date=now + 2 * DAY_SECONDS,
        start_date=now,
        end_date=now + DAY_SECONDS,
        fixing_date=now + 1000,
        rate=None,
    )
    coupon_id = await harness.devnet.set_coupon(bond, terms)
    announced_in = await harness.head()
    # The rate is asked for, in vain.
    await harness.devnet.advance_to(terms.fixing_date + 1)
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)
    (message,) = await harness.messages(asset_id, "corporate_action_announced", 1)
    announced = events_pb2.CorporateActionAnnounced.FromString(message)
    pending = announced.action
    assert pending.kind == pb.CorporateAction.KIND_COUPON
    assert (pending.action_id, pending.rate_set, pending.amount) == (coupon_id, False, "")
    assert pending.record_time.seconds == terms.record_date
    assert pending.execution_time.seconds == terms.execution_date
    assert pending.fixing_time.seconds == terms.fixing_date
    assert announced.position.block_number == announced_in
    assert await harness.messages(asset_id, "corporate_action_rate_set", 0) == []

    await harness.devnet.set_coupon_rate(bond, coupon_id, 425, 4)
    set_in = await harness.head()
    await harness.devnet.advance_to(await harness.devnet.chain_time() + 100)
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)
    (message,) = await harness.messages(asset_id, "corporate_action_rate_set", 1)
    rate_set = events_pb2.CorporateActionRateSet.FromString(message)
    known = pb.CorporateAction()
    known.CopyFrom(pending)
    known.rate, known.rate_decimals, known.rate_set = "425", 4, True
    assert rate_set.action == known
    # No log tells of it: it was read, at a block in which it was set.
    assert rate_set.position.block_number >= set_in
    assert rate_set.sequence > announced.sequence
    await assert_listed(
        harness,
        asset_id,
        {
            announced.sequence: pb.ChainEvent.KIND_CORPORATE_ACTION_ANNOUNCED,
            rate_set.sequence: pb.ChainEvent.KIND_CORPORATE_ACTION_RATE_SET,
        },
    )


async def deploy_bond(harness: Harness, now: int) -> ChecksumAddress:
    """A bond with a variable rate."""
    terms = BondTerms(
        nominal_value=100,
        nominal_value_decimals=0,
        starting_date=now + 1000,
        maturity_date=now + 100 * DAY_SECONDS,
        security_type=SecurityType.BOND_VARIABLE_RATE,
    )
    return await harness.devnet.deploy_bond_token("Acme Bond", "ACMB", "US0378331005", 2, terms)


async def assert_listed(harness: Harness, asset_id: UUID, kinds: dict[int, "pb.ChainEvent.Kind"]) -> None:
    """ListChainEvents lists these, and the sequence of all that is published has no gaps."""
    published = [event for event in await harness.chain_events(asset_id) if event.sequence]
    assert [event.sequence for event in published] == list(range(1, len(published) + 1))
    listed = {event.sequence: event.kind for event in published}
    assert {sequence: listed[sequence] for sequence in kinds} == kinds
