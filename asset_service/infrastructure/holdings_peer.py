"""The gRPC client that reads holdings from chain_sync_service."""

from collections.abc import Sequence
from uuid import UUID

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as pb_grpc

from asset_service.application.register_ports import RefreshScope
from asset_service.domain.register_check import ChainHoldings
from asset_service.messages.register import read_holding_message
from libs.grpc_kit.peer import PEER_TIMEOUT_SECONDS, call_peer
from libs.wire import read_base_units

_PEER = "chain_sync_service"


class HoldingsPeer:
    """Implements the port ChainHoldingsReader with calls to chain_sync_service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.ChainSyncServiceStub(channel)

    async def read_holdings(self, asset_id: UUID, holders: Sequence[str], block_number: int) -> ChainHoldings:
        """Raises ValueError when the answer does not fit the question."""
        request = pb.ReadHoldingsRequest(asset=f"assets/{asset_id}", holders=holders, block_number=block_number)
        answer = await call_peer(self._stub.ReadHoldings(request, timeout=PEER_TIMEOUT_SECONDS), _PEER)
        if len(answer.holdings) != len(holders):
            raise ValueError(f"{_PEER} told {len(answer.holdings)} holdings of {len(holders)} holders")
        return ChainHoldings(
            block_hash=answer.block_hash.lower(),
            total_supply_base_units=read_base_units(answer.total_supply_base_units),
            holdings=[read_holding_message(holding) for holding in answer.holdings],
        )

    async def refresh_holdings(
        self, request_id: UUID, asset_id: UUID, scope: RefreshScope, holders: Sequence[str]
    ) -> None:
        request = pb.RefreshHoldingsRequest(
            request_id=str(request_id), asset=f"assets/{asset_id}", scope=f"SCOPE_{scope.value}", holders=holders
        )
        await call_peer(self._stub.RefreshHoldings(request, timeout=PEER_TIMEOUT_SECONDS), _PEER)
