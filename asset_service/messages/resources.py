"""Converts assets to protobuf, for answers and for the outbox."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import events_pb2
from masspayout.type.v1 import address_pb2

from asset_service.application.ports import TokenInfo
from asset_service.domain.asset import Asset, AssetEvent, PauseState, PaymentToken, SecurityToken
from asset_service.domain.register import Register
from asset_service.messages.readiness import condition_message
from asset_service.messages.register import register_message
from libs.events import OutgoingEvent
from libs.grpc_kit.accounts import account_message, checksummed

_CONTEXT = "asset"
_EventMessage = (
    events_pb2.AssetImportStarted
    | events_pb2.AssetImported
    | events_pb2.AssetImportFailed
    | events_pb2.AssetPauseRequested
    | events_pb2.AssetSyncChanged
    | events_pb2.AssetChanged
)


def asset_message(asset: Asset, register: Register) -> pb.Asset:
    """The resource. The register is a part of it, so it has a part in the etag and the update time too."""
    message = pb.Asset(
        name=f"assets/{asset.asset_id}",
        chain_id=asset.token.chain_id,
        token=_token_account(asset.token),
        display_name=asset.token.display_name,
        symbol=asset.token.symbol,
        isin=asset.token.isin,
        decimals=asset.token.decimals,
        security_type=f"SECURITY_TYPE_{asset.token.security_type}",
        payment_token=_token_account(asset.payment_token),
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
        sync_state=f"SYNC_STATE_{asset.sync_state}",
        pause_state=f"PAUSE_STATE_{asset.pause_state}",
        pause_problem=asset.pause_problem,
        token_paused=asset.token.is_paused,
        total_supply_base_units=_optional_amount(asset.token.total_supply_base_units),
        sync_time=asset.sync_time,
    )
    if asset.lifecycle_contract:
        message.lifecycle_contract.CopyFrom(account_message(asset.lifecycle_contract))
    return message


def token_info_message(info: TokenInfo) -> pb.TokenInfo:
    """Returns the message for a token and the asset that it was imported as."""
    token = info.description.token
    return pb.TokenInfo(
        chain_id=token.chain_id,
        token=_token_account(token),
        display_name=token.display_name,
        symbol=token.symbol,
        isin=token.isin,
        decimals=token.decimals,
        security_type=f"SECURITY_TYPE_{token.security_type}",
        total_supply_base_units=_optional_amount(token.total_supply_base_units),
        holder_count=info.description.holder_count,
        block_number=info.description.block_number,
        paused=token.is_paused,
        asset=f"assets/{info.asset_id}" if info.asset_id else "",
    )


def outgoing_events(
    asset: Asset, register: Register, now: datetime, new_id: Callable[[], UUID]
) -> list[OutgoingEvent]:
    """Returns the events of the asset's last verb, ready for the outbox."""
    return [
        OutgoingEvent(
            event_id=new_id(),
            context=_CONTEXT,
            event_name=event.value,
            aggregate_id=asset.asset_id,
            aggregate_version=asset.version,
            payload=_event_message(event, asset, asset_message(asset, register)).SerializeToString(),
            create_time=now,
        )
        for event in asset.events
    ]


def _event_message(event: AssetEvent, asset: Asset, resource: pb.Asset) -> _EventMessage:
    asset_id, version = str(asset.asset_id), asset.version
    match event:
        case AssetEvent.IMPORT_STARTED:
            return events_pb2.AssetImportStarted(asset_id=asset_id, version=version, asset=resource)
        case AssetEvent.IMPORTED:
            return events_pb2.AssetImported(asset_id=asset_id, version=version, asset=resource)
        case AssetEvent.IMPORT_FAILED:
            return events_pb2.AssetImportFailed(asset_id=asset_id, version=version, asset=resource)
        case AssetEvent.PAUSE_REQUESTED:
            is_paused = asset.pause_state is PauseState.PAUSING
            return events_pb2.AssetPauseRequested(
                asset_id=asset_id, version=version, asset=resource, paused=is_paused
            )
        case AssetEvent.SYNC_CHANGED:
            return events_pb2.AssetSyncChanged(asset_id=asset_id, version=version, asset=resource)
        case AssetEvent.CHANGED:
            return events_pb2.AssetChanged(asset_id=asset_id, version=version, asset=resource)


def _token_account(token: SecurityToken | PaymentToken) -> address_pb2.AccountAddress:
    return address_pb2.AccountAddress(evm_address=checksummed(token.address), hedera_id=token.hedera_id)


def _optional_amount(base_units: int | None) -> str:
    return "" if base_units is None else str(base_units)
