"""An event is read when its payload, headers and subject speak of one thing, else it is a dead letter."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from google.protobuf.message import Message
from masspayout.asset.v1 import asset_service_pb2, events_pb2
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events
from masspayout.distribution.v1 import events_pb2 as distribution_events
from masspayout.payout.v1 import events_pb2 as payout_events

from libs.events import IncomingEvent
from libs.messaging.consumer import incoming_event
from libs.messaging.reading import event_name_of, read_event
from libs.wire import read_base_units, read_resource_id

ASSET, OTHER = UUID(int=0xABC), UUID(int=0xABD)
SUBJECT = f"masspayout.asset.v1.asset_imported.{ASSET}"
HEADERS = {
    "ce-id": str(uuid4()),
    "ce-type": "masspayout.asset.v1.asset_imported",
    "ce-subject": str(ASSET),
    "masspayout-aggregate-version": "3",
}


def imported(asset_id: str = str(ASSET), version: int = 3, name: str = f"assets/{ASSET}") -> bytes:
    asset = asset_service_pb2.Asset(name=name)
    return events_pb2.AssetImported(asset_id=asset_id, version=version, asset=asset).SerializeToString()


def event(payload: bytes, subject: str = SUBJECT) -> IncomingEvent:
    return IncomingEvent(uuid4(), subject, subject.split(".")[3], ASSET, 3, payload)


def test_an_event_of_one_thing_is_read() -> None:
    message = read_event(event(imported()), events_pb2.AssetImported)
    assert (message.asset_id, message.version, message.asset.name) == (str(ASSET), 3, f"assets/{ASSET}")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (imported(asset_id=str(OTHER)), "asset_id is"),
        (imported(asset_id=""), "asset_id is ''"),
        (imported(asset_id=str(ASSET).upper()), "asset_id is"),
        (imported(version=4), "version is 4, the envelope says 3"),
        (imported(version=0), "version is 0"),
        (imported(name=f"assets/{OTHER}"), r"asset.name is"),
        (imported(name=f"payouts/{ASSET}"), r"asset.name is"),
        (imported(name=""), r"asset.name is ''"),
        (b"", "asset_id is ''"),
        (b"\xff\xff\xff", "the payload is no AssetImported"),
        (imported()[:-4], "the payload is no AssetImported"),
    ],
)
def test_a_payload_that_contradicts_its_envelope_is_refused(payload: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_event(event(payload), events_pb2.AssetImported)


@pytest.mark.parametrize(
    "subject",
    [
        f"masspayout.asset.v1.asset_changed.{ASSET}",
        f"masspayout.payout.v1.asset_imported.{ASSET}",
        f"masspayout.asset.v1.asset_imported.{OTHER}",
    ],
)
def test_a_payload_under_anothers_subject_is_refused(subject: str) -> None:
    """Two events of one layout would be taken for each other: here an import for a change."""
    with pytest.raises(ValueError, match="is sent as"):
        read_event(event(imported(), subject), events_pb2.AssetImported)


def test_the_sequence_of_chain_events_is_compared() -> None:
    payload = chain_sync_events.PauseChanged(asset_id=str(ASSET), sequence=3)
    told = replace(event(payload.SerializeToString()), subject=f"masspayout.chain_sync.v1.pause_changed.{ASSET}")
    assert read_event(told, chain_sync_events.PauseChanged) == payload
    with pytest.raises(ValueError, match="sequence is 3, the envelope says 4"):
        read_event(replace(told, aggregate_version=4), chain_sync_events.PauseChanged)


@pytest.mark.parametrize("module", [events_pb2, chain_sync_events, distribution_events, payout_events])
def test_every_event_begins_with_what_it_is_about_and_its_version(module: object) -> None:
    """What `read_event` takes for granted. An event that tells of several things has the number of the first."""
    kinds = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Message)]
    events = [each for each in kinds if each.DESCRIPTOR.name not in ("HolderBalanceChange", "ChainPosition")]
    assert len(events) >= 5
    for each in events:
        first, second = each.DESCRIPTOR.fields_by_number[1], each.DESCRIPTOR.fields_by_number[2]
        assert first.name.endswith("_id"), each
        assert second.name in ("version", "sequence", "discrepancy_id"), each
        assert event_name_of(each).count("_") >= 1


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"ce-type": "masspayout.asset.v1.asset_changed"}, SUBJECT),
        ({"ce-subject": str(OTHER)}, SUBJECT),
        ({}, f"masspayout.asset.v1.asset_imported.{OTHER}"),
        ({}, f"masspayout.asset.v2.asset_imported.{ASSET}"),
        ({}, f"masspayout.asset.v1.asset_imported.{ASSET}.more"),
        ({"masspayout-aggregate-version": "three"}, SUBJECT),
    ],
)
def test_headers_that_contradict_the_subject_are_refused(changes: dict[str, str], subject: str) -> None:
    assert incoming_event(SUBJECT, HEADERS, b"").aggregate_version == 3
    with pytest.raises(ValueError, match=r"subject|three"):
        incoming_event(subject, {**HEADERS, **changes}, b"")


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"header '{name}' is missing"):
        incoming_event(SUBJECT, {key: value for key, value in HEADERS.items() if key != name}, b"")


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", " 1", "1_0", "1.0", "1e3", "٣", "9" * 79, str(2**256)])
def test_what_is_no_amount_is_refused(text: str) -> None:
    assert read_base_units("0") == 0
    with pytest.raises(ValueError, match="base units"):
        read_base_units(text)


@pytest.mark.parametrize("name", [f"payouts/{ASSET}", f"assets/{ASSET.hex}", "assets/", "", f"assets/{ASSET}/x"])
def test_what_is_no_name_of_the_collection_is_refused(name: str) -> None:
    assert read_resource_id(f"assets/{ASSET}", "assets") == ASSET
    with pytest.raises(ValueError, match=r"form|UUID"):
        read_resource_id(name, "assets")
