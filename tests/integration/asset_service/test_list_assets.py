"""ListAssets with a filter, on real rows."""

from uuid import uuid4

import grpc
import pytest
from masspayout.asset.v1 import asset_service_pb2 as pb

from libs.errors import Reason
from libs.grpc_kit.accounts import checksummed
from tests.integration.asset_service.fake_peers import FakePeers
from tests.integration.asset_service.harness import Harness, id_of, import_request, new_address


async def listed(harness: Harness, filter_text: str, page_size: int = 1000) -> list[str]:
    names: list[str] = []
    token = ""
    while True:
        request = pb.ListAssetsRequest(filter=filter_text, page_size=page_size, page_token=token)
        page: pb.ListAssetsResponse = await harness.assets.ListAssets(request)
        names += [asset.name for asset in page.assets]
        token = page.next_page_token
        if not token:
            return names


async def import_with_symbol(harness: Harness, peers: FakePeers, symbol: str) -> pb.Asset:
    token = new_address()
    peers.change_token(token, symbol=symbol, isin=f"ISIN-{symbol}")
    return await harness.import_asset(import_request(token))


async def test_each_field_selects(harness: Harness, peers: FakePeers) -> None:
    symbol = f"S-{uuid4().hex}"
    one, two, three = [await import_with_symbol(harness, peers, symbol) for _ in range(3)]
    await harness.processed(await harness.publish_lifecycle(id_of(one), 1, "READY", new_address()))
    await harness.assets.DisableSync(pb.DisableSyncRequest(request_id=str(uuid4()), name=two.name))
    await harness.assets.PauseAsset(pb.PauseAssetRequest(request_id=str(uuid4()), name=one.name))
    for term, expected in [
        ("security_type=EQUITY", [one, two, three]),
        ("security_type=BOND", []),
        ("state=ACTIVE", [one]),
        ("state=IMPORTING", [two, three]),
        ("sync_state=DISABLED", [two]),
        ("pause_state=PAUSING", [one]),
        (f"isin=ISIN-{symbol}", [one, two, three]),
        ("isin=other", []),
        (f"token.evm_address={three.token.evm_address.lower()}", [three]),
        (f'token.evm_address="{checksummed(three.token.evm_address.lower())}"', [three]),
        ("state=IMPORTING AND sync_state=ENABLED", [three]),
    ]:
        names = [asset.name for asset in expected]
        assert await listed(harness, f'symbol="{symbol}" AND {term}') == names, term


async def test_a_value_is_a_value_whatever_it_looks_like(harness: Harness, peers: FakePeers) -> None:
    symbol = f"\" OR '1'='1 \\ {uuid4()}"
    asset = await import_with_symbol(harness, peers, symbol)
    escaped = symbol.replace("\\", "\\\\").replace('"', '\\"')
    assert await listed(harness, f'symbol="{escaped}"') == [asset.name]


async def test_pages_of_a_filter(harness: Harness, peers: FakePeers) -> None:
    symbol = f"P-{uuid4().hex}"
    names = []
    for _ in range(5):
        names.append((await import_with_symbol(harness, peers, symbol)).name)
        await harness.import_asset()
    assert await listed(harness, f"symbol={symbol}", page_size=2) == names
    request = pb.ListAssetsRequest(filter=f"symbol={symbol}", page_size=2)
    token = (await harness.assets.ListAssets(request)).next_page_token
    for other in ("", "state=IMPORTING"):
        stolen = pb.ListAssetsRequest(filter=other, page_size=2, page_token=token)
        code, error = await harness.refused(harness.assets.ListAssets(stolen))
        assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_PAGE_TOKEN)


@pytest.mark.parametrize("filter_text", ["x", "state=active", "symbol=A OR symbol=B", 'symbol="A\0"'])
async def test_a_filter_that_cannot_be_read_is_refused(harness: Harness, filter_text: str) -> None:
    request = pb.ListAssetsRequest(filter=filter_text)
    code, error = await harness.refused(harness.assets.ListAssets(request))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.field) == (Reason.INVALID_FILTER, "filter")
    assert error.message.startswith("at character ")
