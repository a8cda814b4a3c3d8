"""The register is right when a mirror node is all that the service reads, with the faults that these have."""

from uuid import UUID

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb

from libs.evm.interfaces import TRANSFER
from tests.integration.chain_sync_mirror.conftest import OnMirror
from tests.integration.chain_sync_service.harness import CONFIRMATIONS, Harness, eventually
from tests.support.mirror_node.server import MirrorStandIn, PageFault

GHOST = "0x" + "99" * 32


def account(number: int) -> ChecksumAddress:
    return to_checksum_address(f"0x{number + 0xDEF0000:040x}")


def word(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")


async def assert_register_is_right(harness: Harness, token: str, asset_id: UUID, holders: list[str]) -> None:
    await harness.mine(CONFIRMATIONS)
    await harness.caught_up(asset_id)
    register = await harness.register(asset_id)
    assert register == await harness.balances_on_chain(token, holders)
    assert register


async def test_holders_freezes_and_adjustments(harness: Harness, mirror: MirrorStandIn) -> None:
    token = await harness.deploy_token()
    holders = [account(number) for number in range(230)]
    await harness.devnet.issue(token, {holder: 1_000 + number for number, holder in enumerate(holders)})
    asset_id = await harness.follow(token)
    await assert_register_is_right(harness, token, asset_id, list(holders))
    await harness.devnet.freeze(token, holders[1], 400)
    await harness.devnet.adjust_balances(token, 3, 0)
    await harness.devnet.transfer(token, holders[2], holders[3], 3_000)
    await assert_register_is_right(harness, token, asset_id, list(holders))
    status = await harness.status(asset_id)
    assert (status.last_error, status.discrepancy) == ("", "")
    assert mirror.requests("results/logs")


async def test_a_mirror_node_that_lags_is_waited_for(harness: Harness, mirror: MirrorStandIn) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 500})
    asset_id = await harness.follow(token)
    await assert_register_is_right(harness, token, asset_id, [account(1)])
    mirror.lag_behind(6)
    await harness.devnet.transfer(token, account(1), account(2), 20)
    await harness.mine(CONFIRMATIONS)
    head = await harness.head()

    async def sees_an_old_head() -> bool:
        return (await harness.status(asset_id)).head_block_number == head - 6

    await eventually(sees_an_old_head, "the lagging head")
    assert (await harness.register(asset_id)) == {account(1).lower(): 500}
    mirror.lag_behind(0)
    await assert_register_is_right(harness, token, asset_id, [account(1), account(2)])


async def test_a_ghost_is_never_credited(harness: Harness, running: OnMirror, mirror: MirrorStandIn) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 500})
    asset_id = await harness.follow(token)
    await assert_register_is_right(harness, token, asset_id, [account(1)])
    await harness.mine(1)
    topics = ["0x" + TRANSFER.topic.hex(), word(account(1)), word(account(9))]
    mirror.add_log(token, await harness.head(), topics, "0x" + f"{77:064x}", GHOST, hidden_for=None)
    await harness.devnet.transfer(token, account(1), account(2), 20)
    await harness.mine(CONFIRMATIONS)

    async def waits_for_it() -> bool:
        return GHOST in (await harness.status(asset_id)).last_error

    # However old its block is when the service comes to it: it waits until it is told to wait no longer.
    await eventually(waits_for_it, "the log without a result is named")
    await running.lose_patience()
    await assert_register_is_right(harness, token, asset_id, [account(1), account(2), account(9)])
    listed = await harness.chain_sync.ListChainEvents(
        pb.ListChainEventsRequest(asset=f"assets/{asset_id}", kinds=[pb.ChainEvent.KIND_UNKNOWN])
    )
    assert [(event.transaction_hash, event.problem) for event in listed.events] == [
        (GHOST, "its transaction has no result")
    ]


async def test_rows_that_come_twice_at_a_pages_edge_count_once(harness: Harness, mirror: MirrorStandIn) -> None:
    token = await harness.deploy_token()
    holders = [account(number) for number in range(150)]
    mirror.page_fault = PageFault.REPEATED_EDGE
    mirror.most_rows = 40
    await harness.devnet.issue(token, dict.fromkeys(holders, 9))
    asset_id = await harness.follow(token)
    await assert_register_is_right(harness, token, asset_id, list(holders))


async def test_a_mirror_node_that_errs_is_asked_again(harness: Harness, mirror: MirrorStandIn) -> None:
    token = await harness.deploy_token()
    await harness.devnet.issue(token, {account(1): 500})
    asset_id = await harness.follow(token)
    await assert_register_is_right(harness, token, asset_id, [account(1)])
    mirror.fail(503, times=3, path="results/logs")
    mirror.break_off(times=2, path="contracts/call")
    mirror.fail(429, times=2, path="blocks", retry_after_seconds=0)
    await harness.devnet.transfer(token, account(1), account(2), 20)
    await harness.devnet.freeze(token, account(1), 5)
    await assert_register_is_right(harness, token, asset_id, [account(1), account(2)])
