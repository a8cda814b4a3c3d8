"""Builds chain_sync_service from its settings: source of the chain, database, use cases, servicer, workers."""

import logging
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2, chain_sync_service_pb2_grpc

from chain_sync_service.api.consumers import AssetEvents
from chain_sync_service.api.servicer import ChainSyncServicer
from chain_sync_service.api.watches import StatusWatches
from chain_sync_service.application.administer import Administer
from chain_sync_service.application.chain_gate import ChainGate, chain_id_mismatch
from chain_sync_service.application.follow_asset import FollowAsset, NewListeners
from chain_sync_service.application.follow_next import ClaimLimits, FollowNext
from chain_sync_service.application.list_holders import ListHolders
from chain_sync_service.application.ports import TokenReader, UnitOfWork, UnitOfWorkFactory
from chain_sync_service.application.queries import Queries
from chain_sync_service.application.read_holdings import ReadHoldings
from chain_sync_service.application.read_window import ReadWindow, WindowLimits
from chain_sync_service.application.record_window import RecordWindow
from chain_sync_service.application.rewind_listener import RewindListener
from chain_sync_service.application.source import Source
from chain_sync_service.application.watch_rates import WatchRates
from chain_sync_service.config import ChainSyncSettings
from chain_sync_service.domain.listener import HolderSource
from chain_sync_service.infrastructure.contract_logs import read_asset_log
from chain_sync_service.infrastructure.evm_source import EvmSource
from chain_sync_service.infrastructure.mirror_source import MirrorSource
from chain_sync_service.infrastructure.tables import shared_tables
from chain_sync_service.infrastructure.token_reader import SourceTokenReader
from chain_sync_service.infrastructure.unit_of_work import ChainSyncUnitOfWork
from libs.alarms import TelemetryAlarms
from libs.chain.quantities import BlockNumber
from libs.clock import Clock, SystemClock
from libs.config import SettingsError
from libs.errors import AppError
from libs.evm.pacing import MethodPacing, TierLimits
from libs.evm.rpc import JsonRpc
from libs.hedera.mirror import MirrorNode
from libs.service import Assembly, Runtime, ServiceDefinition
from libs.worker import Worker

_log = logging.getLogger(__name__)
_FULL_NAME = chain_sync_service_pb2.DESCRIPTOR.services_by_name["ChainSyncService"].full_name
_LONGEST_PACING_WAIT_SECONDS = 60.0


def define() -> tuple[ChainSyncSettings, ServiceDefinition]:
    """Returns the settings and the definition of the service. Raises SettingsError."""
    settings = ChainSyncSettings.load()
    return settings, ServiceDefinition(
        name="chain_sync",
        shared_tables=shared_tables,
        migrations_folder=Path(__file__).parent / "infrastructure" / "migrations",
        build=partial(build, settings),
    )


async def build(settings: ChainSyncSettings, runtime: Runtime) -> Assembly:
    """Builds all parts of the service. Raises SettingsError when the node serves another chain than configured."""
    source = open_source(settings, runtime)
    await _refuse_wrong_chain(source, settings.chain_id)
    tokens = SourceTokenReader(source, settings.chain_id)
    clock = SystemClock()

    def new_unit_of_work() -> UnitOfWork:
        return ChainSyncUnitOfWork(runtime.engine, clock, runtime.nudge_relay)

    gate = ChainGate(source, new_unit_of_work, settings.chain_id)
    new_listeners = NewListeners(
        chain_id=settings.chain_id,
        start_block=BlockNumber(settings.start_block),
        holder_source=HolderSource(settings.holder_source.upper()),
        window_blocks=settings.window_blocks,
    )
    follow_next = build_follow_next(settings, source, tokens, gate, new_unit_of_work, clock)
    queries = Queries(source, tokens, gate, new_unit_of_work, clock)
    watches = StatusWatches(queries, max_watches=settings.max_watches, poll_seconds=settings.poll_seconds)
    servicer = ChainSyncServicer(
        source, queries, Administer(source, new_unit_of_work, clock, new_listeners), watches
    )

    def add_servicer(server: grpc.aio.Server) -> None:
        chain_sync_service_pb2_grpc.add_ChainSyncServiceServicer_to_server(servicer, server)

    return Assembly(
        service_full_name=_FULL_NAME,
        add_servicer=add_servicer,
        subscriptions=[AssetEvents(FollowAsset(new_unit_of_work, clock, new_listeners)).subscription()],
        workers=[
            Worker(f"follow {number}", follow_next, settings.poll_seconds)
            for number in range(1, settings.follow_workers + 1)
        ],
        on_stop=watches.stop,
    )


def open_source(settings: ChainSyncSettings, runtime: Runtime) -> Source:
    """Opens the configured source of the chain. Its connections are closed with the runtime's exit stack."""
    if settings.source == "mirror":
        mirror = MirrorNode(
            settings.mirror_url.get_secret_value(),
            timeout_seconds=settings.rpc_timeout_seconds,
            requests_per_minute=settings.mirror_requests_per_minute,
        )
        runtime.stack.push_async_callback(mirror.close)
        return MirrorSource(mirror, settings.chain_id)
    pacing = None
    if settings.relay_pacing:
        pacing = MethodPacing(TierLimits(), longest_wait_seconds=_LONGEST_PACING_WAIT_SECONDS)
    rpc = JsonRpc(
        settings.rpc_url.get_secret_value(),
        timeout_seconds=settings.rpc_timeout_seconds,
        batch_size=settings.rpc_batch_size,
        pacing=pacing,
    )
    runtime.stack.push_async_callback(rpc.close)
    return EvmSource(rpc)


def build_follow_next(
    settings: ChainSyncSettings,
    source: Source,
    tokens: TokenReader,
    gate: ChainGate,
    new_unit_of_work: UnitOfWorkFactory,
    clock: Clock,
) -> FollowNext:
    """Builds the step of the follow workers."""
    alarms = TelemetryAlarms("chain_sync")
    error_delay = timedelta(seconds=settings.error_delay_seconds)
    rewind_listener = RewindListener(source, gate, new_unit_of_work, clock, alarms)
    read_window = ReadWindow(
        source,
        tokens,
        read_asset_log,
        new_unit_of_work,
        RecordWindow(
            new_unit_of_work,
            clock,
            alarms,
            position_event_blocks=settings.position_event_blocks,
            max_window_blocks=settings.window_blocks,
        ),
        rewind_listener,
        WatchRates(tokens, new_unit_of_work),
        clock,
        alarms,
        WindowLimits(
            max_window_blocks=settings.window_blocks,
            max_window_logs=settings.window_logs,
            position_event_blocks=settings.position_event_blocks,
            error_delay=error_delay,
            ghost_patience=timedelta(seconds=settings.ghost_patience_seconds),
        ),
    )
    return FollowNext(
        source,
        gate,
        new_unit_of_work,
        read_window,
        ListHolders(
            source, tokens, new_unit_of_work, rewind_listener, clock, alarms, page_size=settings.list_page
        ),
        ReadHoldings(
            source, tokens, new_unit_of_work, rewind_listener, clock, alarms, page_size=settings.read_page
        ),
        clock,
        alarms,
        ClaimLimits(
            confirmations=settings.confirmations,
            group_size=settings.group_size,
            lease=timedelta(seconds=settings.lease_seconds),
            error_delay=error_delay,
        ),
    )


async def _refuse_wrong_chain(source: Source, configured: int) -> None:
    """Raises SettingsError at once for a wrong setting.

    If the node cannot be reached, everything that needs it waits.
    """
    try:
        told = await source.identity()
    except AppError as error:
        _log.warning("starting without the chain: %s", error)
        return
    if told.chain_id != configured:
        raise SettingsError(chain_id_mismatch(configured=configured, told=told.chain_id))
