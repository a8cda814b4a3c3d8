"""Builds distribution_service from its settings: database, clients, use cases, servicer, workers."""

from pathlib import Path
from uuid import uuid4

import grpc
from masspayout.distribution.v1 import distribution_service_pb2, distribution_service_pb2_grpc

from distribution_service.api.consumers import EventConsumers
from distribution_service.api.servicer import DistributionServicer
from distribution_service.api.watches import DistributionWatches
from distribution_service.application.apply_payout import ApplyPayout
from distribution_service.application.create_distribution import CreateDistribution
from distribution_service.application.keep_asset import KeepAsset
from distribution_service.application.queries import DistributionQueries
from distribution_service.config import DistributionServiceSettings
from distribution_service.infrastructure import tables
from distribution_service.infrastructure.distribution_repository import SqlDistributionReader
from distribution_service.infrastructure.peers import GrpcPayoutPeer
from distribution_service.infrastructure.unit_of_work import unit_of_work_factory
from libs.clock import SystemClock
from libs.grpc_kit.peer import open_channel
from libs.service import Assembly, Runtime, ServiceDefinition
from libs.worker import Worker

_NAME = "distribution"
_MIGRATIONS = Path(__file__).parent / "infrastructure" / "migrations"


def define() -> tuple[DistributionServiceSettings, ServiceDefinition]:
    """The settings from the environment and the service. Raises SettingsError."""
    settings = DistributionServiceSettings.load()
    return settings, definition(settings)


def definition(settings: DistributionServiceSettings) -> ServiceDefinition:
    """The service with given settings."""

    async def build(runtime: Runtime) -> Assembly:
        return await _build(settings, runtime)

    return ServiceDefinition(_NAME, tables.shared, _MIGRATIONS, build)


async def _build(settings: DistributionServiceSettings, runtime: Runtime) -> Assembly:
    clock = SystemClock()
    channel = open_channel(settings.payout_address)
    runtime.stack.push_async_callback(channel.close)
    payouts = GrpcPayoutPeer(channel)
    new_unit_of_work = unit_of_work_factory(runtime.engine, clock, runtime.nudge_relay)
    queries = DistributionQueries(SqlDistributionReader(runtime.engine), new_unit_of_work, payouts)
    watches = DistributionWatches(queries, settings.max_watches)
    watch_worker = Worker("distribution watches", watches.step, settings.watch_poll_seconds)
    consumers = EventConsumers(
        KeepAsset(new_unit_of_work),
        ApplyPayout(new_unit_of_work, clock),
        on_payout_applied=watch_worker.nudge,
    )
    servicer = DistributionServicer(CreateDistribution(new_unit_of_work, payouts, clock, uuid4), queries, watches)

    def add_servicer(server: grpc.aio.Server) -> None:
        distribution_service_pb2_grpc.add_DistributionServiceServicer_to_server(servicer, server)

    service = distribution_service_pb2.DESCRIPTOR.services_by_name["DistributionService"]
    return Assembly(
        service_full_name=service.full_name,
        add_servicer=add_servicer,
        subscriptions=consumers.subscriptions(),
        workers=(watch_worker,),
        on_stop=watches.stop,
    )
