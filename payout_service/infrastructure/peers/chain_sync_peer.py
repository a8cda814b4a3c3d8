"""The gRPC client that reads recorded executions of a lifecycle contract from chain_sync_service."""

from dataclasses import dataclass
from uuid import UUID

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as pb_grpc

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm.rpc import Log
from libs.grpc_kit.peer import PEER_TIMEOUT_SECONDS, call_peer

_PEER = "chain_sync_service"
# An execution of 1,000 payees is about 130 kB, and a message at most 4 MB.
_PAGE_SIZE = 16
_MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLogs:
    """All logs of executions from the first to the last block. Both lie in the range that was asked for."""

    first_block: BlockNumber
    last_block: BlockNumber
    logs: list[Log]


class ChainSyncPeer:
    """Reads recorded executions from chain_sync_service. Calls have a timeout; nothing is retried."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.ChainSyncServiceStub(channel)

    async def execution_logs(
        self, asset_id: UUID, contract: EvmAddress, *, from_block: BlockNumber, to_block: BlockNumber
    ) -> RecordedLogs | None:
        """Returns the logs of a range as far as the asset's listener has read it; None if it has read nothing.

        Raises AppError: the peer's own reason, for example LISTENER_NOT_FOUND, or PEER_UNAVAILABLE.
        """
        if not await self._follows(asset_id, contract):
            return None
        logs: list[Log] = []
        first_block, last_block, page_token = from_block, to_block, ""
        for _ in range(_MOST_PAGES):
            page = await self._page(asset_id, from_block, to_block, page_token)
            # Of every page: a reorganisation takes the position back.
            first_block = max(first_block, BlockNumber(page.start_block_number))
            last_block = min(last_block, BlockNumber(page.position_block_number))
            logs += [_log(event) for event in page.events if event.contract.lower() == contract.value]
            page_token = page.next_page_token
            if last_block < first_block:
                return None
            if not page_token:
                covered = [each for each in logs if first_block <= each.block_number <= last_block]
                return RecordedLogs(first_block=first_block, last_block=last_block, logs=covered)
        raise AppError(Reason.PEER_UNAVAILABLE, f"{_PEER} lists more than {_MOST_PAGES} pages of executions")

    async def _follows(self, asset_id: UUID, contract: EvmAddress) -> bool:
        """Returns whether the asset's listener reads this contract's logs."""
        request = pb.GetListenerRequest(name=f"listeners/{asset_id}")
        listener = await call_peer(self._stub.GetListener(request, timeout=PEER_TIMEOUT_SECONDS), _PEER)
        followed: str = listener.lifecycle_contract.evm_address
        return followed.lower() == contract.value

    async def _page(
        self, asset_id: UUID, from_block: BlockNumber, to_block: BlockNumber, page_token: str
    ) -> pb.ListChainEventsResponse:
        request = pb.ListChainEventsRequest(
            asset=f"assets/{asset_id}",
            kinds=[pb.ChainEvent.KIND_PAYOUT_EXECUTED],
            from_block=from_block,
            to_block=to_block,
            page_size=_PAGE_SIZE,
            page_token=page_token,
        )
        return await call_peer(self._stub.ListChainEvents(request, timeout=PEER_TIMEOUT_SECONDS), _PEER)


def _log(event: pb.ChainEvent) -> Log:
    return Log(
        address=event.contract.lower(),
        topics=tuple(event.topics),
        data=event.data,
        block_number=BlockNumber(event.block_number),
        block_hash=event.block_hash.lower(),
        transaction_hash=event.transaction_hash.lower(),
        log_index=event.log_index,
    )
