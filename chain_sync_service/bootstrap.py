"""Puts the service together."""

import logging
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2, chain_sync_service_pb2_grpc

from chain_sync_service.api.consumers import AssetEvents
from chain_sync_service.api.servicer import ChainSyncServicer
from chain_sync_service.application.chain_gate import ChainGate, chain_id_mismatch
from chain_sync_service.application.follow_asset import FollowAsset
from chain_sync_service.application.follow_next import FollowLimits, FollowNext
from chain_sync_service.application.ports import ChainReader, UnitOfWork, UnitOfWorkFactory
from chain_sync_service.application.queries import Queries
from chain_sync_service.application.record_window import RecordWindow
from chain_sync_service.application.rewind_token import RewindToken
from chain_sync_service.config import ChainSyncSettings
from chain_sync_service.infrastructure.alarms import TelemetryAlarms
from chain_sync_service.infrastructure.chain_reader import EvmChainReader
from chain_sync_service.infrastructure.tables import shared_tables
from chain_sync_service.infrastructure.token_reader import EvmTokenReader
from chain_sync_service.infrastructure.unit_of_work import ChainSyncUnitOfWork
from libs.clock import Clock, SystemClock
from libs.config import SettingsError
from libs.errors import AppError
from libs.evm.rpc import JsonRpc
from libs.service import Assembly, Runtime, ServiceDefinition
from libs.worker import Worker

_log = logging.getLogger(__name__)
_FULL_NAME = chain_sync_service_pb2.DESCRIPTOR.services_by_name["ChainSyncService"].full_name


def define() -> tuple[ChainSyncSettings, ServiceDefinition]:
    """Settings and definition of the service. Raises SettingsError."""
    settings = ChainSyncSettings.load()
    return settings, ServiceDefinition(
        name="chain_sync",
        shared_tables=shared_tables,
        migrations_folder=Path(__file__).parent / "infrastructure" / "migrations",
        build=partial(build, settings),
    )


async def build(settings: ChainSyncSettings, runtime: Runtime) -> Assembly:
    """The assembled service. Raises SettingsError when the node serves another chain than is configured."""
    rpc = JsonRpc(
        settings.rpc_url.get_secret_value(),
        timeout_seconds=settings.rpc_timeout_seconds,
        batch_size=settings.rpc_batch_size,
    )
    runtime.stack.push_async_callback(rpc.close)
    chain = EvmChainReader(rpc)
    await _refuse_wrong_chain(chain, settings.chain_id)
    clock = SystemClock()

    def new_unit_of_work() -> UnitOfWork:
        return ChainSyncUnitOfWork(runtime.engine, clock, runtime.nudge_relay)

    gate = ChainGate(chain, new_unit_of_work, settings.chain_id)
    follow_asset = FollowAsset(
        new_unit_of_work,
        clock,
        chain_id=settings.chain_id,
        start_block=settings.start_block,
        window_blocks=settings.window_blocks,
    )
    follow_next = build_follow_next(settings, chain, gate, new_unit_of_work, clock)
    queries = Queries(EvmTokenReader(rpc, settings.chain_id), gate, new_unit_of_work)
    workers = [
        Worker(f"follow {number}", follow_next, settings.poll_seconds)
        for number in range(1, settings.follow_workers + 1)
    ]

    def add_servicer(server: grpc.aio.Server) -> None:
        chain_sync_service_pb2_grpc.add_ChainSyncServiceServicer_to_server(ChainSyncServicer(queries), server)

    return Assembly(
        service_full_name=_FULL_NAME,
        add_servicer=add_servicer,
        subscriptions=[AssetEvents(follow_asset).subscription()],
        workers=workers,
    )


def build_follow_next(
    settings: ChainSyncSettings,
    chain: ChainReader,
    gate: ChainGate,
    new_unit_of_work: UnitOfWorkFactory,
    clock: Clock,
) -> FollowNext:
    """The step of the workers."""
    alarms = TelemetryAlarms()
    return FollowNext(
        chain,
        gate,
        new_unit_of_work,
        RecordWindow(
            new_unit_of_work,
            clock,
            alarms,
            position_event_blocks=settings.position_event_blocks,
            max_window_blocks=settings.window_blocks,
        ),
        RewindToken(chain, gate, new_unit_of_work, clock, alarms),
        clock,
        alarms,
        FollowLimits(
            confirmations=settings.confirmations,
            max_window_blocks=settings.window_blocks,
            max_window_logs=settings.window_logs,
            lease=timedelta(seconds=settings.lease_seconds),
            error_delay=timedelta(seconds=settings.error_delay_seconds),
        ),
    )


async def _refuse_wrong_chain(chain: ChainReader, configured: int) -> None:
    """A wrong setting is told at once; a node that is away is waited for by everything that needs it."""
    try:
        told = await chain.chain_id()
    except AppError as error:
        _log.warning("starting without the chain: %s", error)
        return
    if told != configured:
        raise SettingsError(chain_id_mismatch(configured, told))
