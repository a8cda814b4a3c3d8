"""A typed client for all four services, as internal platforms use it.

    async with MassPayoutClient(endpoints) as client:
        asset = await client.call(client.assets.get_asset, GetAssetRequest(name="assets/..."))

Messages are dataclasses (betterproto2). The generated stubs are declared as synchronous; over a grpc.aio
channel their calls are awaitable, which `call` gives the right type.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar, cast

import grpc

from libs.errors import AppError, Reason
from libs.grpc_kit.errors import from_rpc_error
from libs.protogen.typed.masspayout.asset.v1 import AssetServiceStub
from libs.protogen.typed.masspayout.chain_sync.v1 import ChainSyncServiceStub
from libs.protogen.typed.masspayout.distribution.v1 import (
    Distribution,
    DistributionServiceStub,
    WatchDistributionRequest,
    WatchDistributionResponse,
)
from libs.protogen.typed.masspayout.operations.v1 import OperationsServiceStub
from libs.protogen.typed.masspayout.payout.v1 import (
    ExportPaymentsRequest,
    ExportPaymentsResponse,
    Payout,
    PayoutServiceStub,
)
from libs.protogen.typed.masspayout.type.v1 import PayoutProgress

Request = TypeVar("Request")
Response = TypeVar("Response")
_CALL_TIMEOUT_SECONDS = 30.0
_RETRY_DELAY_SECONDS = 0.2
_LONGEST_RETRY_DELAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The host:port of each service."""

    asset: str
    distribution: str
    payout: str
    chain_sync: str


class MassPayoutClient:
    """A client with stubs of all services on one set of channels. Use it in `async with`."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def __aenter__(self) -> Self:
        names = ("asset", "distribution", "payout", "chain_sync")
        self._channels = {name: grpc.aio.insecure_channel(getattr(self._endpoints, name)) for name in names}
        self.assets = AssetServiceStub(_as_sync(self._channels["asset"]))
        self.distributions = DistributionServiceStub(_as_sync(self._channels["distribution"]))
        self.payouts = PayoutServiceStub(_as_sync(self._channels["payout"]))
        self.chain_sync = ChainSyncServiceStub(_as_sync(self._channels["chain_sync"]))
        self.operations = {
            name: OperationsServiceStub(_as_sync(channel)) for name, channel in self._channels.items()
        }
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def call(
        self,
        method: Callable[[Request], Response],
        request: Request,
        *,
        timeout_seconds: float = _CALL_TIMEOUT_SECONDS,
    ) -> Response:
        """Calls a unary method, trying again while it is UNAVAILABLE and time is left.

        Repeating is safe: reads change nothing, and changes carry a request_id. Raises AppError with the
        service's reason; PEER_UNAVAILABLE when no service answered.
        """
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        delay_seconds = _RETRY_DELAY_SECONDS
        while True:
            remaining_seconds = deadline - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(max(remaining_seconds, 0.001)):
                    return await cast(Awaitable[Response], method(request))
            except TimeoutError:
                raise AppError(Reason.PEER_UNAVAILABLE, f"no answer in {timeout_seconds:g} s") from None
            except grpc.aio.AioRpcError as error:
                is_retriable = error.code() is grpc.StatusCode.UNAVAILABLE
                if not is_retriable or remaining_seconds < delay_seconds:
                    raise from_rpc_error(error, "the service") from error
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, _LONGEST_RETRY_DELAY_SECONDS)

    async def watch_distribution(self, name: str, *, timeout_seconds: float) -> AsyncIterator[Distribution]:
        """Yields the distribution now and after each change until it is settled, across broken connections.

        Settled is what nothing more happens to soon by itself: COMPLETED, INCOMPLETE, DEFERRED, CANCELLED, FAILED.

        Raises AppError as GetDistribution does, and PEER_UNAVAILABLE when time is up.
        """
        # The generated synchronous stub cannot iterate over an aio stream.
        method = self._channels["distribution"].unary_stream(
            "/masspayout.distribution.v1.DistributionService/WatchDistribution",
            request_serializer=WatchDistributionRequest.SerializeToString,
            response_deserializer=WatchDistributionResponse.FromString,
        )
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            remaining_seconds = deadline - asyncio.get_running_loop().time()
            if remaining_seconds <= 0:
                raise AppError(Reason.PEER_UNAVAILABLE, f"not settled after {timeout_seconds:g} s")
            try:
                async for response in method(WatchDistributionRequest(name=name), timeout=remaining_seconds):
                    if response.distribution is not None:
                        yield response.distribution
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    raise from_rpc_error(error, "distribution_service") from error
            else:
                return
            await asyncio.sleep(_RETRY_DELAY_SECONDS)

    async def export_payments(
        self, payout: str, *, after_row: int = 0, timeout_seconds: float
    ) -> AsyncIterator[ExportPaymentsResponse]:
        """Yields the payments of `payouts/{id}` as pieces of a CSV file, across broken connections.

        Going on behind a row loses and repeats none. Raises AppError as ExportPayments does, and PEER_UNAVAILABLE
        when time is up.
        """
        method = self._channels["payout"].unary_stream(
            "/masspayout.payout.v1.PayoutService/ExportPayments",
            request_serializer=ExportPaymentsRequest.SerializeToString,
            response_deserializer=ExportPaymentsResponse.FromString,
        )
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            remaining_seconds = deadline - asyncio.get_running_loop().time()
            if remaining_seconds <= 0:
                raise AppError(Reason.PEER_UNAVAILABLE, f"not exported in {timeout_seconds:g} s")
            request = ExportPaymentsRequest(parent=payout, after_row=after_row)
            try:
                async for piece in method(request, timeout=remaining_seconds):
                    yield piece
                    after_row = piece.last_row
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    raise from_rpc_error(error, "payout_service") from error
            else:
                return
            await asyncio.sleep(_RETRY_DELAY_SECONDS)


def progress_of(resource: Distribution | Payout) -> PayoutProgress:
    """How far a payout is. Of a distribution that payout_service has not answered yet: nothing has happened."""
    return resource.progress or PayoutProgress()


def _as_sync(channel: grpc.aio.Channel) -> grpc.Channel:
    """Returns the channel as the type that the generated stubs ask for. They use only what both kinds have."""
    return cast(grpc.Channel, channel)
