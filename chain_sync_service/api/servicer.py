"""The gRPC servicer of ChainSyncService: reads requests, calls use cases, writes answers."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID

from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as pb_grpc

from chain_sync_service.api.requests import parse_block, parse_holders, resolve_account
from chain_sync_service.api.watches import StatusWatches
from chain_sync_service.application.administer import Administer, RefreshScope, UpsertListenerCommand
from chain_sync_service.application.queries import Queries
from chain_sync_service.application.source import Source
from chain_sync_service.domain.facts import FactKind
from chain_sync_service.domain.listener import Contracts, HolderSource
from chain_sync_service.messages.resources import (
    chain_events_message,
    holdings_message,
    listener_message,
    payment_token_description_message,
    sync_status_message,
    token_description_message,
)
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.grpc_kit.context import Context
from libs.grpc_kit.requests import next_page_token, parse_page, parse_request_key, parse_resource_name

_LISTENERS = "listeners"
_HOLDER_SOURCES = {
    pb.Listener.HOLDER_SOURCE_LOGS: HolderSource.LOGS,
    pb.Listener.HOLDER_SOURCE_LIST: HolderSource.LIST,
}
_SCOPES = {
    pb.RefreshHoldingsRequest.SCOPE_HOLDERS: RefreshScope.HOLDERS,
    pb.RefreshHoldingsRequest.SCOPE_ALL_KNOWN: RefreshScope.ALL_KNOWN,
    pb.RefreshHoldingsRequest.SCOPE_LIST_AGAIN: RefreshScope.LIST_AGAIN,
}
_KINDS = {pb.ChainEvent.Kind.Value(f"KIND_{kind.value}"): kind for kind in FactKind}


class ChainSyncServicer(pb_grpc.ChainSyncServiceServicer):
    """Reads requests, calls use cases, writes answers."""

    def __init__(self, source: Source, queries: Queries, administer: Administer, watches: StatusWatches) -> None:
        self._source = source
        self._queries = queries
        self._administer = administer
        self._watches = watches

    async def DescribeToken(self, request: pb.DescribeTokenRequest, context: Context) -> pb.TokenDescription:
        token = await resolve_account(self._source, request.token, "token")
        return token_description_message(await self._queries.describe_token(token))

    async def DescribePaymentToken(
        self, request: pb.DescribePaymentTokenRequest, context: Context
    ) -> pb.PaymentTokenDescription:
        token = await resolve_account(self._source, request.token, "token")
        return payment_token_description_message(await self._queries.describe_payment_token(token))

    async def GetSyncStatus(self, request: pb.GetSyncStatusRequest, context: Context) -> pb.SyncStatus:
        return await self._status(parse_resource_name(request.asset, "assets", "asset"))

    async def WatchSyncStatus(
        self, request: pb.WatchSyncStatusRequest, context: Context
    ) -> AsyncIterator[pb.SyncStatus]:
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        # Closed with the call, not when the garbage collector comes by: a watch holds a place.
        async with aclosing(self._watches.follow(asset_id)) as views:
            async for view in views:
                yield sync_status_message(view)

    async def ListChainEvents(
        self, request: pb.ListChainEventsRequest, context: Context
    ) -> pb.ListChainEventsResponse:
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        from_block = parse_block(request.from_block, "from_block")
        to_block = parse_block(request.to_block, "to_block") or None
        if to_block is not None and to_block < from_block:
            raise AppError(Reason.INVALID_BLOCK, "to_block lies before from_block", field="to_block")
        kinds = sorted({_kind(kind) for kind in request.kinds})
        scope = f"ListChainEvents/{asset_id}/{','.join(kinds)}/{from_block}/{to_block}"
        page = parse_page(request, scope)
        found = await self._queries.list_facts(
            asset_id,
            kinds=kinds,
            from_block=from_block,
            to_block=to_block,
            after=_place(page.after),
            limit=page.size + 1,
        )
        answer = chain_events_message(f"assets/{asset_id}", found, page.size)
        if len(found.facts) > page.size:
            block_number, place = found.facts[page.size - 1][1]
            answer.next_page_token = next_page_token(scope, f"{block_number}.{place}")
        return answer

    async def ReadHoldings(self, request: pb.ReadHoldingsRequest, context: Context) -> pb.ReadHoldingsResponse:
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        holders = parse_holders(request.holders)
        block_number = parse_block(request.block_number, "block_number")
        return holdings_message(await self._queries.read_holdings(asset_id, holders, block_number))

    async def RefreshHoldings(self, request: pb.RefreshHoldingsRequest, context: Context) -> pb.SyncStatus:
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        holders = parse_holders(request.holders)
        if request.scope not in _SCOPES:
            raise AppError(Reason.REQUIRED_FIELD_MISSING, "scope is required", field="scope")
        scope = _SCOPES[request.scope]
        if scope is RefreshScope.HOLDERS and not holders:
            raise AppError(Reason.REQUIRED_FIELD_MISSING, "holders are required", field="holders")
        key = parse_request_key(request, "RefreshHoldings")
        await self._administer.refresh(key, asset_id, scope, holders)
        return await self._status(asset_id)

    async def GetListener(self, request: pb.GetListenerRequest, context: Context) -> pb.Listener:
        return await self._listener(parse_resource_name(request.name, _LISTENERS, "name"))

    async def ListListeners(self, request: pb.ListListenersRequest, context: Context) -> pb.ListListenersResponse:
        scope = "ListListeners"
        page = parse_page(request, scope)
        views = await self._queries.list_listeners(_uuid(page.after), page.size + 1)
        shown = views[: page.size]
        return pb.ListListenersResponse(
            listeners=[listener_message(view) for view in shown],
            next_page_token=(
                next_page_token(scope, str(shown[-1].listener.asset_id)) if len(views) > page.size else ""
            ),
        )

    async def UpsertListener(self, request: pb.UpsertListenerRequest, context: Context) -> pb.Listener:
        asset_id = parse_resource_name(request.name, _LISTENERS, "name")
        command = UpsertListenerCommand(
            key=parse_request_key(request, "UpsertListener"),
            asset_id=asset_id,
            contracts=Contracts(
                token=await resolve_account(self._source, request.token, "token"),
                lifecycle_contract=await self._optional(request.lifecycle_contract, "lifecycle_contract"),
                payment_token=await self._optional(request.payment_token, "payment_token"),
            ),
            start_block=(
                parse_block(request.start_block_number, "start_block_number")
                if request.HasField("start_block_number")
                else None
            ),
            holder_source=_HOLDER_SOURCES.get(request.holder_source),
        )
        await self._administer.upsert(command)
        return await self._listener(asset_id)

    async def StartListener(self, request: pb.StartListenerRequest, context: Context) -> pb.Listener:
        asset_id = parse_resource_name(request.name, _LISTENERS, "name")
        await self._administer.start(parse_request_key(request, "StartListener"), asset_id)
        return await self._listener(asset_id)

    async def StopListener(self, request: pb.StopListenerRequest, context: Context) -> pb.Listener:
        asset_id = parse_resource_name(request.name, _LISTENERS, "name")
        await self._administer.stop(parse_request_key(request, "StopListener"), asset_id)
        return await self._listener(asset_id)

    async def ReplayListener(self, request: pb.ReplayListenerRequest, context: Context) -> pb.Listener:
        asset_id = parse_resource_name(request.name, _LISTENERS, "name")
        from_block = parse_block(request.from_block, "from_block")
        await self._administer.replay(parse_request_key(request, "ReplayListener"), asset_id, from_block)
        return await self._listener(asset_id)

    async def _status(self, asset_id: UUID) -> pb.SyncStatus:
        return sync_status_message(await self._queries.sync_status(asset_id))

    async def _listener(self, asset_id: UUID) -> pb.Listener:
        return listener_message(await self._queries.get_listener(asset_id))

    async def _optional(self, text: str, field: str) -> EvmAddress | None:
        return await resolve_account(self._source, text, field) if text else None


def _kind(value: int) -> FactKind:
    if value not in _KINDS:
        raise AppError(Reason.REQUIRED_FIELD_MISSING, f"kinds has {value}, which is no kind", field="kinds")
    return _KINDS[value]


def _place(after: str | None) -> tuple[int, int] | None:
    """Returns the block and the place in it behind which a page of events begins."""
    if after is None:
        return None
    block_number, _, place = after.partition(".")
    if not (block_number.isdecimal() and place.isdecimal()):
        raise _bad_token()
    return int(block_number), int(place)


def _uuid(after: str | None) -> UUID | None:
    if after is None:
        return None
    try:
        return UUID(after)
    except ValueError:
        raise _bad_token() from None


def _bad_token() -> AppError:
    return AppError(
        Reason.INVALID_PAGE_TOKEN, "page_token is not one that this list has given", field="page_token"
    )
