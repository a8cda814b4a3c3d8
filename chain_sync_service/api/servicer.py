"""ChainSyncService over gRPC."""

from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as pb_grpc

from chain_sync_service.application.queries import Queries
from chain_sync_service.infrastructure.resource_mapping import (
    payment_token_description_message,
    sync_status_message,
    token_description_message,
)
from libs.grpc_kit.accounts import parse_evm_account
from libs.grpc_kit.context import Context
from libs.grpc_kit.requests import parse_resource_name


class ChainSyncServicer(pb_grpc.ChainSyncServiceServicer):
    """Reads requests, calls queries, writes answers."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def DescribeToken(self, request: pb.DescribeTokenRequest, context: Context) -> pb.TokenDescription:
        """See the proto."""
        token = parse_evm_account(request.token, "token")
        return token_description_message(await self._queries.describe_token(token))

    async def DescribePaymentToken(
        self, request: pb.DescribePaymentTokenRequest, context: Context
    ) -> pb.PaymentTokenDescription:
        """See the proto."""
        token = parse_evm_account(request.token, "token")
        return payment_token_description_message(await self._queries.describe_payment_token(token))

    async def GetSyncStatus(self, request: pb.GetSyncStatusRequest, context: Context) -> pb.SyncStatus:
        """See the proto."""
        asset_id = parse_resource_name(request.asset, "assets", "asset")
        return sync_status_message(await self._queries.sync_status(asset_id))
