"""chain_sync_service and payout_service as asset_service sees them, answering over real gRPC."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as chain_sync_grpc
from masspayout.payout.v1 import payout_service_pb2 as payout_pb
from masspayout.payout.v1 import payout_service_pb2_grpc as payout_grpc
from masspayout.type.v1 import address_pb2, readiness_pb2

from libs.chain.address import EvmAddress, HederaId
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import account_message, checksummed
from libs.grpc_kit.errors import to_status

CHAIN_ID = 298
_GATE_SECONDS = 60.0


class FakePeers(chain_sync_grpc.ChainSyncServiceServicer, payout_grpc.PayoutServiceServicer):
    """Describes any token, unless told to refuse. Has threads of its own, so any event loop may call it."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.readiness_requests: dict[str, payout_pb.CheckReadinessRequest] = {}
        self.refreshes: list[chain_sync_pb.RefreshHoldingsRequest] = []
        self._holdings: dict[str, tuple[dict[str, chain_sync_pb.Holding], int]] = {}
        self._refusals: dict[tuple[str, str], AppError | grpc.StatusCode] = {}
        self._gates: dict[str, threading.Barrier] = {}
        self._changes: dict[str, dict[str, Any]] = {}
        self._hedera_ids: dict[str, EvmAddress] = {}
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        chain_sync_grpc.add_ChainSyncServiceServicer_to_server(self, self._server)
        payout_grpc.add_PayoutServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def refuse(self, method: str, about: EvmAddress | str, refusal: AppError | grpc.StatusCode) -> None:
        """From now on `method` refuses a token or an asset: with a reason of ours, or with a bare status."""
        self._refusals[method, str(about)] = refusal

    def allow(self, method: str, about: EvmAddress | str) -> None:
        del self._refusals[method, str(about)]

    def hold_until(self, token: EvmAddress, callers: int) -> None:
        """DescribeToken answers for `token` only when so many calls have come, so that they truly race."""
        self._gates[token.value] = threading.Barrier(callers)

    def change_token(self, token: EvmAddress, **fields: Any) -> None:
        """From now on DescribeToken answers with these fields for `token`."""
        self._changes.setdefault(token.value, {}).update(fields)

    def know_hedera_id(self, hedera_id: str, address: EvmAddress) -> None:
        """As if a mirror node resolved it; any other Hedera id is refused."""
        self._hedera_ids[hedera_id] = address

    def DescribeToken(
        self, request: chain_sync_pb.DescribeTokenRequest, context: grpc.ServicerContext
    ) -> chain_sync_pb.TokenDescription:
        self._enter("DescribeToken", request.token, context)
        gate = self._gates.get(request.token)
        if gate:
            gate.wait(_GATE_SECONDS)
        account = self._account(request.token, context)
        description = chain_sync_pb.TokenDescription(
            chain_id=CHAIN_ID,
            token=account,
            display_name="Acme Ordinary\0Shares",
            symbol="ACME",
            isin="CH0000000001",
            decimals=6,
            security_type="SECURITY_TYPE_EQUITY",
            total_supply_base_units="1000000",
            holder_count=3,
            block_number=7,
        )
        changes = self._changes.get(account.evm_address.lower(), {})
        description.MergeFrom(chain_sync_pb.TokenDescription(**changes))
        return description

    def DescribePaymentToken(
        self, request: chain_sync_pb.DescribePaymentTokenRequest, context: grpc.ServicerContext
    ) -> chain_sync_pb.PaymentTokenDescription:
        self._enter("DescribePaymentToken", request.token, context)
        return chain_sync_pb.PaymentTokenDescription(
            chain_id=CHAIN_ID, token=self._account(request.token, context), symbol="USDX", decimals=6
        )

    def hold(self, asset: str, holdings: dict[str, chain_sync_pb.Holding], supply_base_units: int) -> None:
        """From now on ReadHoldings tells these of `asset`; of any other asset it knows nothing."""
        self._holdings[asset] = (holdings, supply_base_units)

    def ReadHoldings(
        self, request: chain_sync_pb.ReadHoldingsRequest, context: grpc.ServicerContext
    ) -> chain_sync_pb.ReadHoldingsResponse:
        self._enter("ReadHoldings", request.asset, context)
        if request.asset not in self._holdings:
            context.abort_with_status(to_status(AppError(Reason.ASSET_NOT_YET_KNOWN, "no such asset")))
        holdings, supply = self._holdings[request.asset]
        return chain_sync_pb.ReadHoldingsResponse(
            block_hash="0x" + "AB" * 32,
            total_supply_base_units=str(supply),
            holdings=[holdings[holder] for holder in request.holders],
        )

    def RefreshHoldings(
        self, request: chain_sync_pb.RefreshHoldingsRequest, context: grpc.ServicerContext
    ) -> chain_sync_pb.SyncStatus:
        self._enter("RefreshHoldings", request.asset, context)
        self.refreshes.append(request)
        return chain_sync_pb.SyncStatus(asset=request.asset)

    def CheckReadiness(
        self, request: payout_pb.CheckReadinessRequest, context: grpc.ServicerContext
    ) -> payout_pb.CheckReadinessResponse:
        self._enter("CheckReadiness", request.token, context)
        self.readiness_requests[request.token] = request
        return payout_pb.CheckReadinessResponse(
            conditions=[
                readiness_pb2.ReadinessCondition(
                    kind="KIND_SNAPSHOT_ROLE_HELD",
                    satisfied=False,
                    detail="0x01 lacks SNAPSHOT_ROLE",
                    remedy="the asset's administrator grants it",
                )
            ]
        )

    def _account(self, text: str, context: grpc.ServicerContext) -> address_pb2.AccountAddress:
        if HederaId.parse(text) is None:
            return account_message(text)
        if text not in self._hedera_ids:
            refusal = AppError(Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "no mirror node", field="token")
            context.abort_with_status(to_status(refusal))
        evm_address = checksummed(self._hedera_ids[text])
        return address_pb2.AccountAddress(evm_address=evm_address, hedera_id=text)

    def _enter(self, method: str, token: str, context: grpc.ServicerContext) -> None:
        self.calls[method, token] += 1
        refusal = self._refusals.get((method, token))
        if isinstance(refusal, AppError):
            context.abort_with_status(to_status(refusal))
        elif refusal is not None:
            context.abort(refusal, "bare")
