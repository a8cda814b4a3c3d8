"""Values that the tests share."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from google.protobuf.message import Message

from asset_service.domain.asset import (
    Asset,
    LifecycleReport,
    LifecycleState,
    PaymentToken,
    SecurityToken,
    SecurityType,
)
from libs.chain.address import EvmAddress
from libs.events import IncomingEvent, event_subject
from libs.messaging.reading import event_name_of
from tests.unit.asset_service.fakes import CHAIN_ID, OPEN_CONDITION

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
LATER = datetime(2026, 2, 3, 4, 5, 7, tzinfo=UTC)
BLOCK_HASH = "0x" + "ab" * 32


def address(number: int) -> EvmAddress:
    return EvmAddress(f"0x{number:040x}")


TOKEN, PAYMENT_TOKEN, CONTRACT, OTHER_CONTRACT = (address(number) for number in range(1, 5))


def security_token(token: EvmAddress = TOKEN) -> SecurityToken:
    return SecurityToken(
        CHAIN_ID, token, "Acme Shares", "ACME", "CH0000000001", 6, SecurityType.EQUITY, 1_000, is_paused=False
    )


def new_asset(
    lifecycle_contract: EvmAddress | None = None, token: EvmAddress = TOKEN, asset_id: UUID | None = None
) -> Asset:
    return Asset.start_import(
        asset_id or uuid4(),
        security_token(token),
        PaymentToken(PAYMENT_TOKEN, "USDX", 6),
        lifecycle_contract,
        (OPEN_CONDITION,),
        NOW,
    )


def report(
    version: int,
    state: LifecycleState,
    contract: EvmAddress | None = CONTRACT,
    failure_reason: str = "",
    *,
    is_paused: bool = False,
    pause_request_version: int = 0,
    pause_problem: str = "",
) -> LifecycleReport:
    return LifecycleReport(
        version, state, contract, (), failure_reason, is_paused, pause_request_version, pause_problem
    )


def incoming(asset_id: UUID, payload: bytes = b"", event_id: UUID | None = None) -> IncomingEvent:
    return IncomingEvent(event_id or uuid4(), f"masspayout.x.v1.y.{asset_id}", "y", asset_id, 1, payload)


def sent(asset_id: UUID, message: Message) -> IncomingEvent:
    """An event of another service about an asset, in the envelope that it is sent in."""
    descriptor = message.DESCRIPTOR
    context, version = descriptor.file.package.split(".")[1], descriptor.fields_by_number[2].name
    name = event_name_of(type(message))
    return IncomingEvent(
        event_id=uuid4(),
        subject=event_subject(context, name, str(asset_id)),
        event_name=name,
        aggregate_id=asset_id,
        aggregate_version=getattr(message, version),
        payload=message.SerializeToString(),
    )
