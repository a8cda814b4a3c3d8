"""Domain to protobuf, for answers and for events."""

from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import events_pb2

from chain_sync_service.application.queries import SyncStatus
from chain_sync_service.domain.followed_token import HolderBalancesChanged
from chain_sync_service.domain.tokens import PaymentTokenDescription, SecurityType, TokenDescription
from libs.grpc_kit.accounts import account_message

_SECURITY_TYPES = {
    SecurityType.EQUITY: pb.TokenDescription.SECURITY_TYPE_EQUITY,
    SecurityType.BOND: pb.TokenDescription.SECURITY_TYPE_BOND,
}
_BEFORE_THE_FIRST_BLOCK = -1


def token_description_message(description: TokenDescription) -> pb.TokenDescription:
    """A security token as the API shows it."""
    return pb.TokenDescription(
        chain_id=description.chain_id,
        token=account_message(description.token),
        display_name=description.display_name,
        symbol=description.symbol,
        isin=description.isin,
        decimals=description.decimals,
        security_type=_SECURITY_TYPES[description.security_type],
        total_supply_base_units=str(description.total_supply),
        holder_count=description.holder_count,
        block_number=description.block_number,
    )


def payment_token_description_message(description: PaymentTokenDescription) -> pb.PaymentTokenDescription:
    """A payment token as the API shows it."""
    return pb.PaymentTokenDescription(
        chain_id=description.chain_id,
        token=account_message(description.token),
        symbol=description.symbol,
        decimals=description.decimals,
    )


def sync_status_message(status: SyncStatus) -> pb.SyncStatus:
    """How far a token is followed, as the API shows it."""
    token = status.token
    return pb.SyncStatus(
        asset=f"assets/{token.asset_id}",
        token=account_message(token.token),
        position_block_number=token.position.number if token.position else _BEFORE_THE_FIRST_BLOCK,
        head_block_number=_BEFORE_THE_FIRST_BLOCK if status.look.head_block is None else status.look.head_block,
        last_sequence=token.last_sequence,
        last_error=status.last_error,
        update_time=token.update_time,
    )


def holder_balances_changed_message(event: HolderBalancesChanged) -> events_pb2.HolderBalancesChanged:
    """The event as it travels."""
    return events_pb2.HolderBalancesChanged(
        asset_id=str(event.asset_id),
        sequence=event.sequence,
        from_block=event.from_block,
        to_block=event.to_block.number,
        to_block_hash=event.to_block.hash,
        changes=[
            events_pb2.HolderBalanceChange(
                holder=change.holder, delta_base_units=str(change.delta), block_number=change.block_number
            )
            for change in event.changes
        ],
        range_complete=event.is_range_complete,
    )
