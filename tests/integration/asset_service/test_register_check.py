"""Calls about the register, and its check against the chain, on the running service."""

from uuid import UUID, uuid4

import grpc
import pytest
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb

from asset_service.domain.register import NOTHING, Holding
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from tests.integration.asset_service.fake_peers import FakePeers
from tests.integration.asset_service.harness import (
    Harness,
    eventually,
    id_of,
    import_request,
    new_address,
    wire_holding,
)


def held(balance: int, frozen: int = 0) -> Holding:
    return Holding(balance, frozen, 0, 0, 0)


async def active_asset(harness: Harness) -> UUID:
    contract = new_address()
    asset_id = id_of(await harness.import_asset(import_request(lifecycle_contract=contract)))
    await harness.processed(await harness.publish_lifecycle(asset_id, 1, "READY", contract))
    return asset_id


async def test_holders_with_their_parts(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    small, large, frozen = sorted(new_address() for _ in range(3))
    await harness.processed(
        await harness.publish_holdings(
            asset_id, 1, [(small, 5, held(5)), (large, 100, Holding(100, 1, 2, 3, 4)), (frozen, 0, held(0, 50))]
        )
    )
    parent = f"assets/{asset_id}"
    page: pb.ListHoldersResponse = await harness.assets.ListHolders(
        pb.ListHoldersRequest(parent=parent, order="ORDER_BALANCE_DESC", page_size=2)
    )
    assert [each.account.evm_address.lower() for each in page.holders] == [large.value, small.value]
    first = page.holders[0]
    assert (first.balance_base_units, first.total_base_units, first.locked_base_units) == ("100", "110", "2")
    assert (page.register.total_balance_base_units, page.register.total_restricted_base_units) == ("105", "60")
    rest: pb.ListHoldersResponse = await harness.assets.ListHolders(
        pb.ListHoldersRequest(
            parent=parent, order="ORDER_BALANCE_DESC", page_size=2, page_token=page.next_page_token
        )
    )
    assert [each.account.evm_address.lower() for each in rest.holders] == [frozen.value]
    assert rest.next_page_token == ""
    few: pb.ListHoldersResponse = await harness.assets.ListHolders(
        pb.ListHoldersRequest(parent=parent, min_balance_base_units="6")
    )
    assert list(few.holders) == [first]
    assert await harness.assets.GetHolder(pb.GetHolderRequest(name=first.name)) == first
    assert await harness.assets.GetHolder(pb.GetHolderRequest(name=f"{parent}/holders/{large}")) == first
    summary: pb.RegisterSummary = await harness.assets.GetRegisterSummary(
        pb.GetRegisterSummaryRequest(name=parent, top_count=2)
    )
    assert (summary.asset, summary.register) == (parent, page.register)
    assert [each.account.evm_address.lower() for each in summary.top_holders] == [large.value, frozen.value]
    assert summary.top_share_millionths == 160 * 1_000_000 // 165


async def test_the_history_of_holders(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    one, two = new_address(), new_address()
    await harness.publish_holdings(asset_id, 1, [(one, 5, held(5))])
    await harness.publish_holdings(asset_id, 2, [(one, -5, NOTHING), (two, 5, held(5))])
    await harness.processed(await harness.publish_holdings(asset_id, 3, [(two, -2, held(3, 2))]))
    parent = f"assets/{asset_id}"
    listed: list[pb.HolderChange] = []
    token = ""
    for _ in range(4):
        page: pb.ListHolderChangesResponse = await harness.assets.ListHolderChanges(
            pb.ListHolderChangesRequest(parent=parent, page_size=3, page_token=token)
        )
        listed += page.changes
        token = page.next_page_token
        if not token:
            break
    assert len(listed) == 4
    assert [each.change_id for each in listed] == sorted((each.change_id for each in listed), reverse=True)
    newest = listed[0]
    assert newest.holder == f"{parent}/holders/{checksummed(two)}"
    assert (newest.delta_base_units, newest.restricted_delta_base_units, newest.block_number) == ("-2", "2", 30)
    of_one: pb.ListHolderChangesResponse = await harness.assets.ListHolderChanges(
        pb.ListHolderChangesRequest(parent=f"{parent}/holders/{checksummed(one)}")
    )
    assert [each.delta_base_units for each in of_one.changes] == ["-5", "5"]


async def test_bad_input_is_refused(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    asset, unknown = f"assets/{asset_id}", f"assets/{uuid4()}"
    holder, assets = new_address(), harness.assets
    of_another_version = pb.ListHoldersRequest.FromString(
        pb.ListHoldersRequest(parent=asset).SerializeToString() + b"\x28\x09"
    )
    for call, reason, field in [
        (assets.GetHolder(pb.GetHolderRequest()), Reason.REQUIRED_FIELD_MISSING, "name"),
        (assets.GetHolder(pb.GetHolderRequest(name=asset)), Reason.INVALID_RESOURCE_NAME, "name"),
        (
            assets.GetHolder(pb.GetHolderRequest(name=f"{asset}/holders/0x12")),
            Reason.INVALID_RESOURCE_NAME,
            "name",
        ),
        (assets.GetHolder(pb.GetHolderRequest(name=f"{asset}/holders/{holder}")), Reason.HOLDER_NOT_FOUND, None),
        (assets.GetHolder(pb.GetHolderRequest(name=f"{unknown}/holders/{holder}")), Reason.ASSET_NOT_FOUND, None),
        (
            assets.ListHolderChanges(pb.ListHolderChangesRequest(parent=f"{asset}/holders/x")),
            Reason.INVALID_RESOURCE_NAME,
            "parent",
        ),
        (
            assets.ListHolderChanges(pb.ListHolderChangesRequest(parent=asset, page_token="x")),
            Reason.INVALID_PAGE_TOKEN,
            "page_token",
        ),
        (assets.ListHolderChanges(pb.ListHolderChangesRequest(parent=unknown)), Reason.ASSET_NOT_FOUND, None),
        (
            assets.GetRegisterSummary(pb.GetRegisterSummaryRequest(name=asset, top_count=1001)),
            Reason.INVALID_PAGE_SIZE,
            "top_count",
        ),
        (assets.GetRegisterSummary(pb.GetRegisterSummaryRequest(name=unknown)), Reason.ASSET_NOT_FOUND, None),
        (
            assets.ListRegisterDiscrepancies(pb.ListRegisterDiscrepanciesRequest(parent=unknown)),
            Reason.ASSET_NOT_FOUND,
            None,
        ),
        (assets.ImportHolders(pb.ImportHoldersRequest(parent=asset)), Reason.INVALID_REQUEST_ID, "request_id"),
        (
            assets.ImportHolders(pb.ImportHoldersRequest(parent=unknown, request_id=str(uuid4()))),
            Reason.ASSET_NOT_FOUND,
            None,
        ),
        (assets.ListHolders(of_another_version), Reason.INVALID_FILTER, "order"),
    ]:
        _, error = await harness.refused(call)
        assert (error.reason, error.field) == (reason, field)


async def test_holders_are_imported_anew(harness: Harness, peers: FakePeers) -> None:
    asset_id = id_of(await harness.import_asset())
    asset = f"assets/{asset_id}"
    request = pb.ImportHoldersRequest(request_id=str(uuid4()), parent=asset, list_again=True)
    peers.refuse("RefreshHoldings", asset, AppError(Reason.ASSET_NOT_YET_KNOWN, "not yet"))
    _, error = await harness.refused(harness.assets.ImportHolders(request))
    assert error.reason is Reason.ASSET_NOT_YET_KNOWN
    peers.refuse("RefreshHoldings", asset, grpc.StatusCode.UNAVAILABLE)
    _, error = await harness.refused(harness.assets.ImportHolders(request))
    assert error.reason is Reason.PEER_UNAVAILABLE
    peers.allow("RefreshHoldings", asset)
    for _ in range(2):
        answer: pb.Asset = await harness.assets.ImportHolders(request)
        assert answer.name == asset
    assert [each for each in peers.refreshes if each.asset == asset] == [
        chain_sync_pb.RefreshHoldingsRequest(request_id=request.request_id, asset=asset, scope="SCOPE_LIST_AGAIN")
    ]


async def test_a_wrong_register_is_found_read_again_and_resolved(harness: Harness, peers: FakePeers) -> None:
    asset_id = await active_asset(harness)
    asset = f"assets/{asset_id}"
    right, wrong = new_address(), new_address()
    on_chain = {right.value: wire_holding(held(5)), wrong.value: wire_holding(held(6, 1))}
    peers.hold(asset, on_chain, 12)
    await harness.processed(
        await harness.publish_holdings(asset_id, 1, [(right, 5, held(5)), (wrong, 4, held(4))])
    )

    async def discrepancies(*, unresolved_only: bool) -> list[pb.RegisterDiscrepancy]:
        answer: pb.ListRegisterDiscrepanciesResponse = await harness.assets.ListRegisterDiscrepancies(
            pb.ListRegisterDiscrepanciesRequest(parent=asset, unresolved_only=unresolved_only)
        )
        return list(answer.discrepancies)

    async def is_refreshed() -> bool:
        return any(each.asset == asset for each in peers.refreshes)

    await eventually(is_refreshed, "read again")
    total, holding = await discrepancies(unresolved_only=True)
    assert (holding.kind, holding.holder) == (
        pb.RegisterDiscrepancy.KIND_HOLDING_DIFFERS,
        checksummed(wrong),
    )
    assert (holding.register_value, holding.chain_value, holding.block_number) == ("4+0+0+0+0", "6+1+0+0+0", 19)
    assert (total.kind, total.holder) == (pb.RegisterDiscrepancy.KIND_TOTAL_DIFFERS, "")
    assert (total.register_value, total.chain_value) == ("9", "12")
    refresh = next(each for each in peers.refreshes if each.asset == asset)
    assert refresh.scope == chain_sync_pb.RefreshHoldingsRequest.SCOPE_ALL_KNOWN
    assert list(refresh.holders) == [wrong.value]
    names_and_payloads = await harness.published_events(asset_id, 3)
    name, payload = names_and_payloads[2]
    assert name == "register_discrepancy_found"
    found = events_pb2.RegisterDiscrepancyFound.FromString(payload)
    assert (found.asset_id, found.discrepancy_id) == (str(asset_id), holding.discrepancy_id)
    assert [each.discrepancy_id for each in found.discrepancies] == [
        holding.discrepancy_id,
        total.discrepancy_id,
    ]
    # chain_sync_service tells the holding again, with the delta to what it had told.
    await harness.publish_holdings(asset_id, 2, [(right, 0, held(5)), (wrong, 2, held(6, 1))])

    async def is_resolved() -> bool:
        return not await discrepancies(unresolved_only=True)

    await eventually(is_resolved, "resolved")
    assert [each.HasField("resolve_time") for each in await discrepancies(unresolved_only=False)] == [True, True]


@pytest.mark.parametrize("reason", [Reason.CHAIN_UNAVAILABLE, Reason.INVALID_BLOCK])
async def test_a_node_that_cannot_tell_proves_nothing(harness: Harness, peers: FakePeers, reason: Reason) -> None:
    asset_id = await active_asset(harness)
    asset = f"assets/{asset_id}"
    peers.refuse("ReadHoldings", asset, AppError(reason, "no state of this block"))
    await harness.processed(await harness.publish_holdings(asset_id, 1, [(new_address(), 5, held(5))]))

    async def is_tried_again() -> bool:
        return peers.calls["ReadHoldings", asset] >= 2

    await eventually(is_tried_again, "two tries")
    assert not await harness.database.fetchval(
        "SELECT count(*) FROM register_discrepancies WHERE asset_id = $1", asset_id
    )
