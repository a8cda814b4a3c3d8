"""What the tests of the running service share: a stand-in for payout_service, events, rows, errors, waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import grpc
import nats
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from masspayout.asset.v1 import asset_service_pb2
from masspayout.asset.v1 import events_pb2 as asset_events_pb2
from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import distribution_service_pb2_grpc as pb_grpc
from masspayout.payout.v1 import events_pb2 as payout_events_pb2
from masspayout.payout.v1 import payout_service_pb2
from masspayout.payout.v1 import payout_service_pb2_grpc as payout_grpc
from masspayout.type.v1 import amount_pb2, progress_pb2
from nats.aio.client import Client
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution_service.infrastructure.tables import distributions, known_assets, shared
from libs.chain.amount import format_decimal_amount
from libs.events import event_subject
from tests.support.sent_events import event_headers

PAYMENT_TOKEN = "0x52908400098527886E0F7030069857D2E4169EE7"
LIFECYCLE_CONTRACT = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
WAIT_SECONDS = 60.0
Result = TypeVar("Result")


async def eventually(probe: Callable[[], Awaitable[Result | None]], what: str) -> Result:
    """The first answer of `probe` that is not None; fails after a bounded time."""
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        answer = await probe()
        if answer is not None:
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {WAIT_SECONDS:g} s: {what}")


def funded_preview() -> payout_service_pb2.PreviewPayoutResponse:
    """Three holders, and money enough."""
    return payout_service_pb2.PreviewPayoutResponse(
        total_base_units="1000000",
        holder_count=3,
        zero_due_count=1,
        payable_base_units="999999",
        rounding_dust_base_units="1",
        frozen_share_base_units="0",
        gross_base_units="999999",
        withheld_base_units="0",
        excluded_base_units="0",
        deferred_base_units="0",
        available_base_units="5000000",
        shortfall_base_units="0",
        block_number=77,
    )


class FakePayoutService(payout_grpc.PayoutServiceServicer):
    """payout_service as far as this service calls it, on a real port."""

    def __init__(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        payout_grpc.add_PayoutServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self.reset()

    def reset(self) -> None:
        """Back to three holders and money enough."""
        self.answer = funded_preview()
        self.refusal: grpc.Status | None = None
        self.asked: list[payout_service_pb2.PreviewPayoutRequest] = []

    def stop(self) -> None:
        """Ends the server."""
        self._server.stop(None).wait()

    def PreviewPayout(
        self, request: payout_service_pb2.PreviewPayoutRequest, context: grpc.ServicerContext
    ) -> payout_service_pb2.PreviewPayoutResponse:
        """Answers or refuses as the test has set."""
        self.asked.append(request)
        if self.refusal is not None:
            context.abort_with_status(self.refusal)
        return self.answer


@dataclass(frozen=True)
class Refusal:
    """What a caller sees of an error."""

    code: grpc.StatusCode
    reason: str
    field: str | None
    metadata: dict[str, str]


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads the rich status of an error."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no rich status: {error.code()} {error.details()}"
    info = error_details_pb2.ErrorInfo()
    field_name = None
    for detail in status.details:
        request = error_details_pb2.BadRequest()
        precondition = error_details_pb2.PreconditionFailure()
        if detail.Unpack(request):
            field_name = request.field_violations[0].field
        elif detail.Unpack(precondition):
            field_name = precondition.violations[0].subject
        else:
            detail.Unpack(info)
    assert info.domain == "masspayout"
    return Refusal(error.code(), info.reason, field_name, dict(info.metadata))


async def refused(call: Awaitable[object]) -> Refusal:
    """The refusal of a call that must be refused."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"was not refused: {answer}")


@dataclass
class Bus:
    """The event bus, as the other services use it."""

    client: Client

    async def publish(
        self,
        context: str,
        event_name: str,
        aggregate_id: UUID,
        version: int,
        message: Any,
        event_id: UUID | None = None,
    ) -> UUID:
        """Publishes an event with its CloudEvents headers; a given `event_id` makes a duplicate."""
        event_id = event_id or uuid4()
        subject = event_subject(context, event_name, str(aggregate_id))
        await self.client.jetstream().publish(
            subject, message.SerializeToString(), headers=event_headers(subject, version, event_id)
        )
        return event_id

    async def events_of(self, context: str, aggregate_id: UUID) -> list[tuple[str, bytes]]:
        """All events of an aggregate on the stream, oldest first."""
        subscription = await self.client.jetstream().subscribe(
            event_subject(context, "*", str(aggregate_id)), ordered_consumer=True
        )
        found = []
        try:
            while True:
                message = await subscription.next_msg(timeout=0.3)
                found.append((message.subject.split(".")[3], message.data))
        except nats.errors.TimeoutError:
            return found
        finally:
            await subscription.unsubscribe()


@dataclass
class World:
    """The running service with what surrounds it."""

    stub: pb_grpc.DistributionServiceStub
    channel: grpc.aio.Channel
    payouts: FakePayoutService
    bus: Bus
    engine: AsyncEngine

    async def import_asset(self, version: int = 3) -> UUID:
        """Announces an active asset and waits until the service knows it."""
        asset_id = uuid4()
        await self.bus.publish("asset", "asset_imported", asset_id, version, asset_imported(asset_id, version))

        async def known() -> int | None:
            stored: int | None = await self.scalar(
                select(known_assets.c.version).where(
                    known_assets.c.asset_id == asset_id, known_assets.c.version >= version
                )
            )
            return stored

        await eventually(known, f"asset {asset_id} is known")
        return asset_id

    def create_request(self, asset_id: UUID, **changes: Any) -> pb.CreateDistributionRequest:
        """A request for one whole token, with changes."""
        content: dict[str, Any] = {
            "request_id": str(uuid4()),
            "asset": f"assets/{asset_id}",
            "terms": {"total_amount": {"base_units": "1000000"}},
        }
        return pb.CreateDistributionRequest(**(content | changes))

    async def create(self, asset_id: UUID | None = None) -> pb.Distribution:
        """A released distribution of one whole token."""
        asset_id = asset_id or await self.import_asset()
        created: pb.Distribution = await self.stub.CreateDistribution(self.create_request(asset_id))
        return created

    async def tell_payout(
        self,
        distribution: pb.Distribution,
        version: int,
        state: str,
        event_id: UUID | None = None,
        **changes: Any,
    ) -> UUID:
        """Publishes the payout's state, as payout_service would."""
        message = payout_event(distribution, version, state, **changes)
        name = _EVENT_OF_STATE.get(state, "payout_progressed")
        return await self.bus.publish("payout", name, resource_uuid(distribution.name), version, message, event_id)

    async def wait_for(self, name: str, state: str) -> pb.Distribution:
        """The distribution once it is in a state."""

        async def probe() -> pb.Distribution | None:
            found: pb.Distribution = await self.stub.GetDistribution(pb.GetDistributionRequest(name=name))
            return found if found.state == pb.Distribution.State.Value(f"STATE_{state}") else None

        return await eventually(probe, f"{name} is {state}")

    async def wait_processed(self, event_id: UUID) -> None:
        """Until the event is in the inbox."""

        async def probe() -> UUID | None:
            statement = select(shared.inbox.c.event_id).where(shared.inbox.c.event_id == event_id)
            found: UUID | None = await self.scalar(statement)
            return found

        await eventually(probe, f"event {event_id} is processed")

    async def written(self) -> tuple[int, ...]:
        """How many rows there are of all that creating writes."""
        tables = (distributions, shared.request_log, shared.outbox)
        return tuple([await self.scalar(select(func.count()).select_from(table)) for table in tables])

    async def scalar(self, statement: Any) -> Any:
        """One value from the database."""
        async with self.engine.connect() as connection:
            return await connection.scalar(statement)


_EVENT_OF_STATE = {
    "COMPLETED": "payout_completed",
    "INCOMPLETE": "payout_incomplete",
    "FAILED": "payout_failed",
    "CANCELLED": "payout_cancelled",
    "DEFERRED": "payout_deferred",
}
_MESSAGE_OF_EVENT: dict[str, Any] = {
    "payout_progressed": payout_events_pb2.PayoutProgressed,
    "payout_completed": payout_events_pb2.PayoutCompleted,
    "payout_incomplete": payout_events_pb2.PayoutIncomplete,
    "payout_failed": payout_events_pb2.PayoutFailed,
    "payout_cancelled": payout_events_pb2.PayoutCancelled,
    "payout_deferred": payout_events_pb2.PayoutDeferred,
}


def resource_uuid(name: str) -> UUID:
    """The id in a resource name."""
    return UUID(name.partition("/")[2])


def asset_imported(asset_id: UUID, version: int, decimals: int = 6) -> asset_events_pb2.AssetImported:
    """What asset_service publishes of an active asset."""
    message = asset_events_pb2.AssetImported(asset_id=str(asset_id), version=version)
    message.asset.name = f"assets/{asset_id}"
    message.asset.chain_id = 298
    message.asset.state = asset_service_pb2.Asset.STATE_ACTIVE
    message.asset.payment_token.evm_address = PAYMENT_TOKEN
    message.asset.payment_token_symbol = "USDC"
    message.asset.payment_token_decimals = decimals
    message.asset.lifecycle_contract.evm_address = LIFECYCLE_CONTRACT
    return message


def token_amount(base_units: int) -> amount_pb2.TokenAmount:
    """An amount of the payment token as services show it."""
    return amount_pb2.TokenAmount(
        base_units=str(base_units),
        decimal_amount=format_decimal_amount(base_units, decimals=6),
        decimals=6,
        symbol="USDC",
        token=PAYMENT_TOKEN,
    )


def payout_event(distribution: pb.Distribution, version: int, state: str, **changes: Any) -> Any:
    """A payout of four holders, three of them paid; cancelled it has given up the fourth, deferred it waits.

    `changes` are of fields of the payout or of its progress.
    """
    distribution_id = str(resource_uuid(distribution.name))
    content: dict[str, Any] = {
        "name": f"payouts/{distribution_id}",
        "distribution": distribution.name,
        "asset": distribution.asset,
        "state": f"STATE_{state}",
        "total_amount": distribution.total_amount,
        "terms": distribution.terms,
        "plan_hash": "ab" * 32,
    }
    progress: dict[str, Any] = {
        "holder_count": 4,
        "paid_count": 0 if state == "FAILED" else 3,
        "failed_count": 1 if state == "INCOMPLETE" else 0,
        "zero_due_count": 1 if state == "COMPLETED" else 0,
        "paid_amount": token_amount(0 if state == "FAILED" else 750_000),
        "cancelled_count": 1 if state == "CANCELLED" else 0,
        "cancelled_amount": token_amount(250_000 if state == "CANCELLED" else 0),
        "deferred_count": 1 if state == "DEFERRED" else 0,
        "deferred_amount": token_amount(250_000 if state == "DEFERRED" else 0),
        "batch_count": 2,
        "final_batch_count": 1,
    }
    figures = progress_pb2.PayoutProgress.DESCRIPTOR.fields_by_name
    progress |= {name: value for name, value in changes.items() if name in figures}
    content |= {name: value for name, value in changes.items() if name not in figures}
    message = _MESSAGE_OF_EVENT[_EVENT_OF_STATE.get(state, "payout_progressed")](
        payout_id=distribution_id, version=version, asset_id=str(resource_uuid(distribution.asset))
    )
    message.payout.MergeFrom(
        payout_service_pb2.Payout(**content, progress=progress_pb2.PayoutProgress(**progress))
    )
    return message
