"""The domain as protobuf resources, for answers and for the outbox."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2

from asset_service.application.ports import HolderRow
from asset_service.domain.asset import Asset, AssetEvent
from asset_service.domain.register import Register
from asset_service.infrastructure.readiness_mapping import condition_message
from libs.grpc_kit.accounts import account_message
from libs.messaging.events import OutgoingEvent

_CONTEXT = "asset"
_EventClass = (
    type[events_pb2.AssetImportStarted] | type[events_pb2.AssetImported] | type[events_pb2.AssetImportFailed]
)
_EVENT_CLASSES: Mapping[AssetEvent, _EventClass] = {
    AssetEvent.IMPORT_STARTED: events_pb2.AssetImportStarted,
    AssetEvent.IMPORTED: events_pb2.AssetImported,
    AssetEvent.IMPORT_FAILED: events_pb2.AssetImportFailed,
}


def asset_message(asset: Asset, register: Register) -> pb.Asset:
    """The resource. The register is a part of it, so it has a part in the etag and the update time too."""
    message = pb.Asset(
        name=f"assets/{asset.asset_id}",
        chain_id=asset.token.chain_id,
        token=account_message(asset.token.address),
        display_name=asset.token.display_name,
        symbol=asset.token.symbol,
        isin=asset.token.isin,
        decimals=asset.token.decimals,
        security_type=f"SECURITY_TYPE_{asset.token.security_type}",
        payment_token=account_message(asset.payment_token.address),
        payment_token_symbol=asset.payment_token.symbol,
        payment_token_decimals=asset.payment_token.decimals,
        lifecycle_origin=f"LIFECYCLE_ORIGIN_{asset.lifecycle_origin}",
        state=f"STATE_{asset.state}",
        readiness=[condition_message(condition) for condition in asset.readiness],
        failure_reason=asset.failure_reason,
        register=register_message(register),
        create_time=asset.create_time,
        update_time=max(asset.update_time, register.update_time),
        etag=f'"{asset.version}-{register.last_sequence}"',
    )
    if asset.lifecycle_contract:
        message.lifecycle_contract.CopyFrom(account_message(asset.lifecycle_contract))
    return message


def register_message(register: Register) -> pb.RegisterPosition | None:
    """The register's position; None before the first range of blocks is complete."""
    if register.position is None:
        return None
    return pb.RegisterPosition(
        block_number=register.position.number,
        block_hash=register.position.block_hash,
        holder_count=register.holder_count,
        total_balance_base_units=str(register.total_balance_base_units),
    )


def holder_message(asset_id: UUID, holder: HolderRow) -> pb.Holder:
    """One holder as a resource."""
    account = account_message(holder.address)
    return pb.Holder(
        name=f"assets/{asset_id}/holders/{account.evm_address}",
        account=account,
        balance_base_units=str(holder.balance_base_units),
        changed_at_block=holder.changed_at_block,
    )


def outgoing_events(
    asset: Asset, register: Register, now: datetime, new_id: Callable[[], UUID]
) -> list[OutgoingEvent]:
    """What the asset's last verb recorded, as it goes into the outbox."""
    return [
        OutgoingEvent(
            event_id=new_id(),
            context=_CONTEXT,
            event_name=event.value,
            aggregate_id=asset.asset_id,
            aggregate_version=asset.version,
            payload=_EVENT_CLASSES[event](
                asset_id=str(asset.asset_id), version=asset.version, asset=asset_message(asset, register)
            ).SerializeToString(),
            create_time=now,
        )
        for event in asset.events
    ]
