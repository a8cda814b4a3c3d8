"""A fake chain_sync_service that serves one asset's executions, over real gRPC."""

from collections.abc import Sequence

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as pb_grpc
from masspayout.type.v1 import address_pb2

from libs.chain.address import EvmAddress
from libs.errors import AppError
from libs.evm.rpc import Log
from libs.grpc_kit.context import Context
from libs.grpc_kit.errors import to_status


class FakeChainSync(pb_grpc.ChainSyncServiceServicer):
    """A service that has read the lifecycle contract's logs from the first block to the last."""

    def __init__(
        self,
        asset: str,
        lifecycle_contract: EvmAddress,
        logs: Sequence[Log] = (),
        *,
        first_block: int = 0,
        last_block: int = 0,
        most_in_a_page: int = 2,
    ) -> None:
        self.asset = asset
        self.lifecycle_contract = lifecycle_contract
        self.logs = list(logs)
        self.first_block = first_block
        self.last_block = last_block
        self.most_in_a_page = most_in_a_page
        self.refusal: AppError | None = None
        # Where the position has gone back to by the second page, after a reorganisation.
        self.last_block_later: int | None = None
        self.requests: list[pb.ListChainEventsRequest] = []
        self._server: grpc.aio.Server | None = None

    async def start(self) -> str:
        """Starts the server and returns host:port."""
        self._server = grpc.aio.server()
        pb_grpc.add_ChainSyncServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(None)

    async def GetListener(self, request: pb.GetListenerRequest, context: Context) -> pb.Listener:
        assert request.name == f"listeners/{self.asset.removeprefix('assets/')}"
        await self._refuse(context)
        account = address_pb2.AccountAddress(evm_address=str(self.lifecycle_contract))
        return pb.Listener(name=request.name, lifecycle_contract=account)

    async def ListChainEvents(
        self, request: pb.ListChainEventsRequest, context: Context
    ) -> pb.ListChainEventsResponse:
        """Returns a page. A page token of another query is refused, as the real service does."""
        query = f"{list(request.kinds)} {request.from_block} {request.to_block}"
        at = 0
        if request.page_token:
            token_query, _, start = request.page_token.rpartition("@")
            assert token_query == query, "the page token belongs to another query"
            at = int(start)
        assert request.asset == self.asset
        assert list(request.kinds) == [pb.ChainEvent.KIND_PAYOUT_EXECUTED]
        self.requests.append(request)
        await self._refuse(context)
        last_block = self.last_block if at == 0 or self.last_block_later is None else self.last_block_later
        found = [
            each
            for each in self.logs
            if request.from_block <= each.block_number <= min(request.to_block, self.last_block)
            and each.block_number >= self.first_block
        ]
        end = at + min(self.most_in_a_page, request.page_size)
        return pb.ListChainEventsResponse(
            events=[self._event(each) for each in found[at:end]],
            next_page_token=f"{query}@{end}" if end < len(found) else "",
            start_block_number=self.first_block,
            position_block_number=last_block,
        )

    async def _refuse(self, context: Context) -> None:
        if self.refusal:
            await context.abort_with_status(to_status(self.refusal))

    def _event(self, log: Log) -> pb.ChainEvent:
        return pb.ChainEvent(
            asset=self.asset,
            kind=pb.ChainEvent.KIND_PAYOUT_EXECUTED,
            contract=log.address,
            block_number=log.block_number,
            block_hash=log.block_hash,
            transaction_hash=log.transaction_hash,
            log_index=log.log_index,
            topics=log.topics,
            data=log.data,
        )
