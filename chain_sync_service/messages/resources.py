"""Converts domain objects to protobuf, for answers."""

from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.type.v1 import address_pb2

from chain_sync_service.application.queries import FactPage, HoldingsAtBlock, ListenerView
from chain_sync_service.domain.facts import FactKind, SeenFact
from chain_sync_service.domain.listener import HolderSource, Listener, ListenerState
from chain_sync_service.domain.tokens import PaymentTokenDescription, SecurityType, TokenDescription
from chain_sync_service.messages.events import holding_message, kind_of
from libs.chain.address import EvmAddress
from libs.grpc_kit.accounts import account_message

_SECURITY_TYPES = {
    SecurityType.EQUITY: pb.TokenDescription.SECURITY_TYPE_EQUITY,
    SecurityType.BOND: pb.TokenDescription.SECURITY_TYPE_BOND,
}
_HOLDER_SOURCES = {
    HolderSource.LOGS: pb.Listener.HOLDER_SOURCE_LOGS,
    HolderSource.LIST: pb.Listener.HOLDER_SOURCE_LIST,
}
_BEFORE_THE_FIRST_BLOCK = -1


def token_description_message(description: TokenDescription) -> pb.TokenDescription:
    """A security token as the API shows it."""
    return pb.TokenDescription(
        chain_id=description.chain_id,
        token=_account(description.token, description.hedera_id),
        display_name=description.display_name,
        symbol=description.symbol,
        isin=description.isin,
        decimals=description.decimals,
        security_type=_SECURITY_TYPES[description.security_type],
        total_supply_base_units=str(description.total_supply),
        holder_count=description.holder_count,
        block_number=description.block_number,
        paused=description.is_paused,
    )


def payment_token_description_message(description: PaymentTokenDescription) -> pb.PaymentTokenDescription:
    """A payment token as the API shows it."""
    return pb.PaymentTokenDescription(
        chain_id=description.chain_id,
        token=_account(description.token, description.hedera_id),
        symbol=description.symbol,
        decimals=description.decimals,
    )


def sync_status_message(view: ListenerView) -> pb.SyncStatus:
    """How far an asset is followed, as the API shows it."""
    listener = view.listener
    return pb.SyncStatus(
        asset=f"assets/{listener.asset_id}",
        token=account_message(listener.contracts.token),
        position_block_number=_position(listener),
        head_block_number=_head(view),
        last_sequence=listener.last_sequence,
        last_error=view.last_error,
        update_time=listener.update_time,
        state=_state(listener),
        progress=pb.ImportProgress(
            pinned_block_number=_BEFORE_THE_FIRST_BLOCK if listener.reads_windows else _position(listener),
            holder_count=listener.listing.holder_count,
            listed_count=listener.listing.listed_count,
            unread_count=view.unread_count,
        ),
        discrepancy=view.discrepancy,
    )


def listener_message(view: ListenerView) -> pb.Listener:
    """A listener as the API shows it."""
    listener = view.listener
    position = listener.position
    message = pb.Listener(
        name=f"listeners/{listener.asset_id}",
        token=account_message(listener.contracts.token),
        start_block_number=listener.start_block,
        holder_source=_HOLDER_SOURCES[listener.holder_source],
        state=_state(listener),
        source=view.source,
        position_block_number=_position(listener),
        position_block_hash=position.hash if position else "",
        head_block_number=_head(view),
        lag_blocks=max(_head(view) - _position(listener), 0),
        lag_seconds=_lag_seconds(view),
        last_error=view.last_error,
        update_time=listener.update_time,
        etag=f'"{listener.version}"',
    )
    if listener.contracts.lifecycle_contract:
        message.lifecycle_contract.CopyFrom(account_message(listener.contracts.lifecycle_contract))
    if listener.contracts.payment_token:
        message.payment_token.CopyFrom(account_message(listener.contracts.payment_token))
    return message


def chain_event_message(asset: str, seen: SeenFact) -> pb.ChainEvent:
    """Something that was seen, as the API shows it."""
    fact, log = seen.fact, seen.fact.log
    is_read = fact.kind is FactKind.CORPORATE_ACTION_RATE_SET
    return pb.ChainEvent(
        asset=asset,
        kind=kind_of(fact.kind),
        sequence=seen.sequence,
        contract=log.contract,
        block_number=log.block_number,
        block_hash=log.block_hash,
        block_time=seen.block_time,
        transaction_hash="" if is_read else log.transaction_hash,
        log_index=0 if is_read else log.log_index,
        topics=log.topics,
        data=log.data,
        details=dict(fact.details),
        problem=fact.problem,
    )


def chain_events_message(asset: str, page: FactPage, size: int) -> pb.ListChainEventsResponse:
    """A page of what was seen, without its token."""
    return pb.ListChainEventsResponse(
        events=[chain_event_message(asset, seen) for seen, _ in page.facts[:size]],
        start_block_number=page.start_block,
        position_block_number=_BEFORE_THE_FIRST_BLOCK if page.position_block is None else page.position_block,
    )


def holdings_message(read: HoldingsAtBlock) -> pb.ReadHoldingsResponse:
    """What holders have at a block. A token without a supply is shown with none."""
    return pb.ReadHoldingsResponse(
        block_hash=read.block_hash,
        total_supply_base_units="" if read.supply is None else str(read.supply),
        holdings=[holding_message(holding) for holding in read.holdings],
    )


def _account(address: EvmAddress, hedera_id: str) -> address_pb2.AccountAddress:
    message = account_message(address)
    message.hedera_id = hedera_id
    return message


def _state(listener: Listener) -> pb.Listener.State:
    if listener.is_stopped:
        return pb.Listener.STATE_STOPPED
    return {
        ListenerState.LISTING: pb.Listener.STATE_LISTING,
        ListenerState.BACKFILLING: pb.Listener.STATE_BACKFILLING,
        ListenerState.READING: pb.Listener.STATE_READING,
        ListenerState.FOLLOWING: pb.Listener.STATE_FOLLOWING,
    }[listener.state]


def _position(listener: Listener) -> int:
    return listener.position.number if listener.position else _BEFORE_THE_FIRST_BLOCK


def _head(view: ListenerView) -> int:
    return _BEFORE_THE_FIRST_BLOCK if view.look.head_block is None else view.look.head_block


def _lag_seconds(view: ListenerView) -> int:
    position_time = view.listener.position_time
    if position_time is None:
        return 0
    # By whole seconds: clocks of two machines are not closer, and the chain's may run ahead.
    return max(int((view.now - position_time).total_seconds()), 0)
