"""The register that a consumer folds from our events equals the chain, whatever happens on the way."""

import asyncio
import random
from uuid import UUID, uuid4

import grpc
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb

from deploy.devnet.deployer import seeded_holders
from libs.errors import Reason
from tests.integration.chain_sync_service.harness import CONFIRMATIONS, SERVICE, Harness, eventually
from tests.integration.chain_sync_service.odd_contract import CREATION_CODE, issue_call


def account(number: int) -> ChecksumAddress:
    return to_checksum_address(f"0x{number + 0xABC0000:040x}")


async def assert_register_is_right(harness: Harness, token: str, asset_id: UUID, holders: list[str]) -> None:
    """Mines until everything counts, and compares with balanceOf for every holder."""
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)
    register = await harness.register(asset_id)
    assert register == await harness.balances_on_chain(token, holders)
    assert register


async def test_a_backfill_of_2500_holders_then_live_transfers(harness: Harness) -> None:
    token = await harness.deploy_token()
    holders = seeded_holders(2500, seed=7)
    await harness.devnet.issue(token, dict(holders))
    asset_id = await harness.follow(token)
    everybody: list[str] = [address for address, _ in holders]
    await assert_register_is_right(harness, token, asset_id, everybody)

    generator = random.Random(7)
    rich = [address for address, balance in holders if balance > 100]
    for number in range(12):
        receiver = account(number) if number % 3 == 0 else generator.choice(everybody)
        await harness.devnet.transfer(
            token, to_checksum_address(generator.choice(rich)), to_checksum_address(receiver), 1 + number
        )
    everybody += [account(number) for number in range(12)]
    await assert_register_is_right(harness, token, asset_id, everybody)


async def test_what_is_not_confirmed_is_not_told(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(10)
    asset_id = await harness.follow(token)
    await harness.caught_up(asset_id)
    await harness.devnet.transfer(token, account(1), account(2), 30)
    await harness.mine(CONFIRMATIONS - 1)
    status = await harness.caught_up(asset_id)
    assert await harness.register(asset_id) == {account(1).lower(): 100}
    await harness.mine(1)

    async def is_told() -> bool:
        return (await harness.status(asset_id)).last_sequence > status.last_sequence

    await eventually(is_told, "the transfer is told once it is confirmed")
    assert await harness.register(asset_id) == {account(1).lower(): 70, account(2).lower(): 30}


async def test_kills_in_the_middle_of_a_backfill_lose_and_double_nothing(harness: Harness) -> None:
    token = await harness.deploy_token()
    accounts = [account(number) for number in range(40)]
    await harness.devnet.issue(token, dict.fromkeys(accounts, 1000))
    for number in range(60):
        await harness.devnet.transfer(token, accounts[number % 40], accounts[(number * 7 + 1) % 40], number)
    # Windows of one block make the backfill long enough to be killed in its midst. The node tells no more than a
    # few blocks behind that: however late the kill comes, there is something left to read.
    harness.proxy.most_blocks = 1
    start = await harness.head() - 70
    harness.proxy.end_logs_of(token, start + 5)
    asset_id = await harness.follow(token)
    positions = []
    for step in (0, 30):
        harness.proxy.end_logs_of(token, start + step + 5)

        async def is_behind(block: int = start + step) -> bool:
            status = await harness.status_or_none(asset_id)
            return status is not None and status.position_block_number >= block

        await eventually(is_behind, f"block {start + step} read")
        positions.append((await harness.status(asset_id)).position_block_number)
        await harness.service.kill_and_restart()
    assert positions[0] < positions[1] < await harness.head() - CONFIRMATIONS
    harness.proxy.end_logs_of(token, await harness.head() + 100)
    await assert_register_is_right(harness, token, asset_id, [*accounts])


async def test_two_replicas_double_nothing(harness: Harness) -> None:
    stack = harness.service.stack
    # Its leases run out at once, so both work on the same tokens all the time.
    environment = {"CHAIN_SYNC_SERVICE_LEASE_SECONDS": "0.001"}
    replica = await asyncio.to_thread(stack.start_replica, SERVICE, environment=environment)
    try:
        accounts = [account(number) for number in range(20)]
        tokens = [await harness.deploy_token() for _ in range(3)]
        for token in tokens:
            await harness.devnet.issue(token, dict.fromkeys(accounts, 1000))
        assets = [await harness.follow(token) for token in tokens]
        for number in range(30):
            token = tokens[number % 3]
            await harness.devnet.transfer(token, accounts[number % 20], accounts[(number * 7 + 1) % 20], number)
        for token, asset_id in zip(tokens, assets, strict=True):
            await assert_register_is_right(harness, token, asset_id, [*accounts])
    finally:
        await asyncio.to_thread(replica.stop)


async def test_a_reorg_within_the_confirmations_changes_nothing_that_was_told(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(10)
    asset_id = await harness.follow(token)
    await harness.caught_up(asset_id)
    before = await harness.events(asset_id)
    await harness.devnet.transfer(token, account(1), account(2), 30)
    await harness.rpc.request("anvil_reorg", CONFIRMATIONS, [])
    await harness.mine(5)
    await assert_register_is_right(harness, token, asset_id, [account(1), account(2)])
    assert (await harness.events(asset_id))[: len(before)] == before
    assert await harness.register(asset_id) == {account(1).lower(): 100}


async def test_a_reorg_behind_the_confirmations_is_taken_back(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(10)
    asset_id = await harness.follow(token)
    await harness.caught_up(asset_id)
    await harness.devnet.transfer(token, account(1), account(2), 30)
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)
    assert await harness.register(asset_id) == {account(1).lower(): 70, account(2).lower(): 30}
    before = await harness.events(asset_id)

    # The transfer's block is the third from the top: it goes, and with it the transfer.
    await harness.rpc.request("anvil_reorg", 3, [])
    await harness.devnet.transfer(token, account(1), account(3), 5)
    await harness.mine(5)
    await assert_register_is_right(harness, token, asset_id, [account(1), account(2), account(3)])
    assert await harness.register(asset_id) == {account(1).lower(): 95, account(3).lower(): 5}
    taken_back = (await harness.events(asset_id))[len(before)]
    assert taken_back.to_block < before[-1].to_block
    assert {change.holder: change.delta_base_units for change in taken_back.changes} == {
        account(1).lower(): "30",
        account(2).lower(): "-30",
    }
    assert taken_back.range_complete


async def test_what_happens_to_the_contracts_is_told_in_one_sequence(harness: Harness) -> None:
    token, payment_token = await harness.deploy_token(), await harness.devnet.deploy_payment_token()
    lifecycle = await harness.devnet.deploy_lifecycle_contract(token, payment_token, await harness.devnet.admin())
    await harness.devnet.issue(token, {account(1): 100, account(2): 50})
    asset_id = await harness.follow(token, lifecycle_contract=lifecycle, payment_token=payment_token)
    await harness.devnet.mint_payment_token(payment_token, lifecycle, 777)
    await harness.devnet.mint_payment_token(payment_token, account(1), 5)
    await harness.devnet.freeze(token, account(1), 30)
    await harness.devnet.block_holder(token, account(2))
    await harness.devnet.pause(token)
    await harness.devnet.unpause(token)
    await harness.devnet.adjust_balances(token, 3)
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)
    published = [event for event in await harness.chain_events(asset_id) if event.sequence]
    assert [event.sequence for event in published] == list(range(1, len(published) + 1))
    kinds = [event.kind for event in published]
    for kind, count in (
        (pb.ChainEvent.KIND_PAYMENT_TOKEN_DEPOSITED, 1),
        (pb.ChainEvent.KIND_PAUSE_CHANGED, 2),
        (pb.ChainEvent.KIND_HOLDER_RESTRICTION_CHANGED, 2),
        (pb.ChainEvent.KIND_BALANCES_ADJUSTED, 1),
    ):
        assert kinds.count(kind) == count
    (deposit,) = (each for each in published if each.kind == pb.ChainEvent.KIND_PAYMENT_TOKEN_DEPOSITED)
    assert deposit.details["amount_base_units"] == "777"
    holdings = await harness.holdings(asset_id)
    frozen = holdings[account(1).lower()]
    assert (frozen.balance_base_units, frozen.frozen_base_units) == ("210", "90")
    assert holdings[account(2).lower()].balance_base_units == "150"


async def test_a_node_that_is_away_for_a_while_is_waited_for(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(5)
    asset_id = await harness.follow(token)
    before = await harness.caught_up(asset_id)
    harness.proxy.is_away = True
    await harness.devnet.transfer(token, account(1), account(2), 30)
    await harness.mine(5)

    async def says_so() -> bool:
        return "HTTP 503" in (await harness.status(asset_id)).last_error

    await eventually(says_so, "the status tells that the node is away")
    assert (await harness.status(asset_id)).position_block_number == before.position_block_number
    harness.proxy.is_away = False
    await assert_register_is_right(harness, token, asset_id, [account(1), account(2)])
    assert (await harness.status(asset_id)).last_error == ""


async def test_a_service_that_starts_without_the_node_serves_and_goes_on_once_it_is_there(
    harness: Harness,
) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(5)
    harness.proxy.is_away = True
    await harness.service.kill_and_restart()
    asset_id = await harness.follow(token)

    async def says_so() -> bool:
        status = await harness.status_or_none(asset_id)
        return status is not None and "HTTP 503" in status.last_error

    await eventually(says_so, "the status tells that the node is away")
    assert (await harness.status(asset_id)).position_block_number == -1
    harness.proxy.is_away = False
    await assert_register_is_right(harness, token, asset_id, [account(1)])


async def test_refused_windows_are_halved_and_grow_again(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(60)
    harness.proxy.most_blocks = 7
    asset_id = await harness.follow(token)
    await assert_register_is_right(harness, token, asset_id, [account(1)])
    assert harness.proxy.refused_windows
    assert max(harness.proxy.served_to(token)) <= 7
    # Away while blocks are mined, so that there is something to catch up with.
    harness.proxy.reset()
    harness.proxy.is_away = True
    await harness.mine(150)
    harness.proxy.is_away = False
    await harness.caught_up(asset_id)
    assert max(harness.proxy.served_to(token)) == 20


async def test_a_log_that_cannot_be_read_is_kept_and_passed(harness: Harness) -> None:
    sender = await harness.devnet.admin()
    web3 = harness.devnet.web3

    async def send(transaction: dict[str, str]) -> str:
        transaction_hash = await harness.rpc.request("eth_sendTransaction", {"from": sender, **transaction})
        receipt = await web3.eth.wait_for_transaction_receipt(transaction_hash)
        assert receipt["status"] == 1
        return receipt["contractAddress"] or ""

    contract = await send({"data": CREATION_CODE})
    await send({"to": contract, "data": issue_call(account(1), 11)})
    await send({"to": contract})
    await send({"to": contract, "data": issue_call(account(2), 22)})
    await harness.mine(5)
    asset_id = await harness.follow(contract)

    async def says_so() -> bool:
        status = await harness.status_or_none(asset_id)
        return status is not None and "TOKEN_UNREADABLE" in status.last_error

    # Its issues are not told as such, and it does not tell balances either: that is said, and nothing is guessed.
    await eventually(says_so, "the status tells that the token does not tell balances")
    assert await harness.register(asset_id) == {}
    (event,) = await harness.chain_events(asset_id)
    assert event.kind == pb.ChainEvent.KIND_UNKNOWN
    assert (event.sequence, len(event.topics)) == (0, 1)
    assert event.problem
    name = f"listeners/{asset_id}"
    stopped = await harness.chain_sync.StopListener(pb.StopListenerRequest(request_id=str(uuid4()), name=name))
    assert stopped.state == pb.Listener.STATE_STOPPED


async def test_idle_blocks_move_the_position_and_are_announced_now_and_then(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(5)
    asset_id = await harness.follow(token)
    before = await harness.caught_up(asset_id)
    for _ in range(5):
        await harness.mine(10)
        await harness.caught_up(asset_id)
    after = await harness.status(asset_id)
    assert after.position_block_number == before.position_block_number + 50
    assert after.last_sequence == before.last_sequence + 2
    last = (await harness.events(asset_id))[-1]
    assert last.range_complete
    assert not last.changes


async def test_another_chain_id_is_told_and_moves_nothing(harness: Harness) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 100})
    await harness.mine(5)
    asset_id = await harness.follow(token)
    before = await harness.caught_up(asset_id)
    harness.proxy.is_away = True
    harness.proxy.told_chain_id = 1

    async def doubts() -> bool:
        return bool((await harness.status(asset_id)).last_error)

    await eventually(doubts, "the node's absence is noticed, and casts doubt")
    await harness.mine(5)
    harness.proxy.is_away = False

    async def says_so() -> bool:
        return "CHAIN_CHANGED" in (await harness.status(asset_id)).last_error

    await eventually(says_so, "the status tells that the chain changed")
    assert "CHAIN_SYNC_SERVICE_CHAIN_ID is 298" in (await harness.status(asset_id)).last_error
    assert (await harness.status(asset_id)).position_block_number == before.position_block_number
    harness.proxy.reset()
    await assert_register_is_right(harness, token, asset_id, [account(1)])


async def test_an_asset_of_another_chain_becomes_a_dead_letter(harness: Harness) -> None:
    token = await harness.deploy_token()
    asset_id = await harness.follow(token, chain_id=1)

    async def is_dead() -> bool:
        return any(str(asset_id) in letter.subject for letter in await harness.dead_letters())

    await eventually(is_dead, "the event is a dead letter")
    code, error = await harness.refused(harness.status(asset_id))
    assert (code, error.reason) == (grpc.StatusCode.UNAVAILABLE, Reason.ASSET_NOT_YET_KNOWN)
