"""What payout_service reports of a lifecycle contract, over the real stream."""

from uuid import UUID, uuid4

from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2

from libs.errors import Reason
from libs.grpc_kit.accounts import checksummed
from tests.integration.asset_service.harness import Harness, eventually, id_of, import_request, new_address


async def test_ready_makes_the_asset_active_once_though_delivered_twice(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    contract = new_address()
    await harness.publish_lifecycle(asset_id, 1, "DEPLOYING")
    event_id = await harness.publish_lifecycle(asset_id, 2, "READY", contract)
    await harness.publish_lifecycle(asset_id, 2, "READY", contract, event_id=event_id)
    # The same report as another event: the version stops it.
    again = await harness.publish_lifecycle(asset_id, 2, "READY", contract)
    await harness.processed(again)
    asset = await harness.get(asset_id)
    assert asset.state == pb.Asset.STATE_ACTIVE
    assert asset.lifecycle_contract.evm_address == checksummed(contract)
    assert asset.readiness[0].satisfied
    assert await harness.event_names(asset_id) == ["asset_import_started", "asset_imported"]
    started, imported = await harness.published_events(asset_id, 2)
    assert [started[0], imported[0]] == ["asset_import_started", "asset_imported"]
    event = events_pb2.AssetImported.FromString(imported[1])
    assert event.asset == asset
    assert event.version == 3


async def test_an_older_report_changes_nothing(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    contract = new_address()
    await harness.processed(await harness.publish_lifecycle(asset_id, 5, "NOT_READY", contract))
    before = await harness.get(asset_id)
    assert before.readiness[0].detail == "version 5"
    await harness.processed(await harness.publish_lifecycle(asset_id, 4, "READY", contract))
    assert await harness.get(asset_id) == before


async def test_a_later_not_ready_only_shows(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    contract = new_address()
    await harness.processed(await harness.publish_lifecycle(asset_id, 1, "READY", contract))
    before = await harness.get(asset_id)
    await harness.processed(await harness.publish_lifecycle(asset_id, 2, "NOT_READY", contract))
    after = await harness.get(asset_id)
    assert after.state == pb.Asset.STATE_ACTIVE
    assert not after.readiness[0].satisfied
    assert after.etag != before.etag
    assert await harness.event_names(asset_id) == ["asset_import_started", "asset_imported"]


async def test_failed_fails_the_import(harness: Harness) -> None:
    asset_id = id_of(await harness.import_asset())
    await harness.processed(await harness.publish_lifecycle(asset_id, 1, "FAILED", failure_reason="reverted"))
    asset = await harness.get(asset_id)
    assert (asset.state, asset.failure_reason) == (pb.Asset.STATE_FAILED, "reverted")
    name, payload = (await harness.published_events(asset_id, 2))[1]
    assert name == "asset_import_failed"
    assert events_pb2.AssetImportFailed.FromString(payload).asset == asset


async def test_a_contract_of_another_asset_fails_the_import_and_not_the_consumer(harness: Harness) -> None:
    contract = new_address()
    owner = await harness.import_asset(import_request(lifecycle_contract=contract))
    asset_id = id_of(await harness.import_asset())
    event_id = await harness.publish_lifecycle(asset_id, 1, "NOT_READY", contract)
    await harness.processed(event_id)
    asset = await harness.get(asset_id)
    assert asset.state == pb.Asset.STATE_FAILED
    assert asset.failure_reason.startswith(Reason.LIFECYCLE_CONTRACT_IN_USE)
    assert owner.name in asset.failure_reason
    assert not asset.HasField("lifecycle_contract")
    assert await harness.event_names(asset_id) == ["asset_import_started", "asset_import_failed"]
    assert await harness.get(id_of(owner)) == owner
    # payout_service knows nothing of it and reports on.
    await harness.processed(await harness.publish_lifecycle(asset_id, 2, "READY", contract))
    assert await harness.get(asset_id) == asset


async def test_a_report_of_another_contract_than_the_attached_becomes_a_dead_letter(harness: Harness) -> None:
    contract, other = new_address(), new_address()
    asset = await harness.import_asset(import_request(lifecycle_contract=contract))
    asset_id = id_of(asset)
    await harness.publish_lifecycle(asset_id, 1, "READY", other)
    await _wait_for_dead_letter(harness, asset_id, "LifecycleContractMismatchError")
    assert await harness.get(asset_id) == asset
    await harness.processed(await harness.publish_lifecycle(asset_id, 2, "READY", contract))
    assert (await harness.get(asset_id)).state == pb.Asset.STATE_ACTIVE


async def test_an_unknown_asset_or_garbage_becomes_a_dead_letter_and_holds_nobody_up(harness: Harness) -> None:
    unknown, garbled = uuid4(), uuid4()
    await harness.publish_lifecycle(unknown, 1, "READY", new_address())
    subject = f"masspayout.payout.v1.lifecycle_contract_changed.{garbled}"
    await harness.publish(subject, b"\xff\xff", 1)
    asset_id = id_of(await harness.import_asset())
    await harness.processed(await harness.publish_lifecycle(asset_id, 1, "READY", new_address()))
    await _wait_for_dead_letter(harness, unknown, "EventNotReadyError")
    await _wait_for_dead_letter(harness, garbled, "ValueError")


async def _wait_for_dead_letter(harness: Harness, asset_id: UUID, error: str) -> None:
    async def is_dead() -> bool:
        letters = await harness.dead_letters(asset_id)
        return [letter.reason.split(":")[0] for letter in letters] == [error]

    await eventually(is_dead, f"dead letter of {asset_id} with {error}")
