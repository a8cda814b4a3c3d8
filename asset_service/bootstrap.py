"""Builds asset_service from its settings: database, clients, use cases, servicer, workers."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import grpc
from masspayout.asset.v1 import asset_service_pb2, asset_service_pb2_grpc

from asset_service.api.asset_rpcs import AssetRpcs
from asset_service.api.consumers import (
    BalancesAdjustedHandler,
    ChainEventRetractedHandler,
    HolderBalancesChangedHandler,
    LifecycleContractChangedHandler,
    PauseChangedHandler,
)
from asset_service.api.register_rpcs import RegisterRpcs
from asset_service.api.servicer import AssetServicer
from asset_service.application.apply_balance_changes import ApplyBalanceChanges
from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport
from asset_service.application.apply_pause_seen import ApplyPauseSeen
from asset_service.application.change_pause import ChangePause
from asset_service.application.change_sync import ChangeSync
from asset_service.application.check_register import CheckLimits, CheckRegister
from asset_service.application.import_asset import ImportAsset
from asset_service.application.import_holders import ImportHolders
from asset_service.application.queries import AssetQueries
from asset_service.application.register_queries import RegisterQueries
from asset_service.application.sync_asset import SyncAsset
from asset_service.config import AssetServiceSettings
from asset_service.infrastructure.holdings_peer import HoldingsPeer
from asset_service.infrastructure.peers import ChainSyncPeer, PayoutPeer
from asset_service.infrastructure.reader import SqlAssetReader
from asset_service.infrastructure.register_reader import SqlRegisterReader
from asset_service.infrastructure.tables import shared
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from libs.alarms import TelemetryAlarms
from libs.clock import SystemClock
from libs.config import ServiceSettings
from libs.grpc_kit.peer import open_channel
from libs.messaging.consumer import EventHandler, Subscription
from libs.service import Assembly, Runtime, ServiceDefinition
from libs.worker import Worker

MIGRATIONS_FOLDER = Path(__file__).parent / "infrastructure" / "migrations"
_SERVICE = asset_service_pb2.DESCRIPTOR.services_by_name["AssetService"].full_name


def definition() -> tuple[ServiceSettings, ServiceDefinition]:
    """Returns the definition of the service, with its settings. Raises SettingsError."""
    settings = AssetServiceSettings.load()

    async def build(runtime: Runtime) -> Assembly:
        return await assemble(settings, runtime)

    return settings, ServiceDefinition("asset", shared, MIGRATIONS_FOLDER, build)


async def assemble(settings: AssetServiceSettings, runtime: Runtime) -> Assembly:
    """Builds all parts of the service. Channels are closed with the runtime's exit stack."""
    clock = SystemClock()

    def unit_of_work() -> AssetUnitOfWork:
        return AssetUnitOfWork(runtime.engine, clock, runtime.nudge_relay, uuid4)

    chain_sync = open_channel(settings.chain_sync_address)
    payout = open_channel(settings.payout_address)
    runtime.stack.push_async_callback(chain_sync.close)
    runtime.stack.push_async_callback(payout.close)
    tokens = ChainSyncPeer(chain_sync)
    holdings = HoldingsPeer(chain_sync)
    alarms = TelemetryAlarms("asset")
    sync_asset = SyncAsset(unit_of_work, tokens, clock)
    queries = AssetQueries(SqlAssetReader(runtime.engine), tokens)
    servicer = AssetServicer(
        AssetRpcs(
            ImportAsset(unit_of_work, tokens, PayoutPeer(payout), clock, uuid4),
            sync_asset,
            ChangeSync(unit_of_work, clock),
            ChangePause(unit_of_work, clock),
            queries,
        ),
        RegisterRpcs(
            ImportHolders(unit_of_work, holdings), RegisterQueries(SqlRegisterReader(runtime.engine)), queries
        ),
    )
    on_lifecycle = LifecycleContractChangedHandler(ApplyLifecycleReport(unit_of_work, clock))
    on_chain_sync: Mapping[str, EventHandler] = {
        "holder_balances_changed": HolderBalancesChangedHandler(ApplyBalanceChanges(unit_of_work, alarms, clock)),
        "pause_changed": PauseChangedHandler(ApplyPauseSeen(unit_of_work, clock)),
        "balances_adjusted": BalancesAdjustedHandler(sync_asset),
        "chain_event_retracted": ChainEventRetractedHandler(sync_asset),
    }

    check_register = CheckRegister(
        unit_of_work,
        SqlRegisterReader(runtime.engine),
        holdings,
        alarms,
        clock,
        CheckLimits(timedelta(seconds=settings.register_check_seconds), settings.register_check_sample),
    )

    def add_servicer(server: grpc.aio.Server) -> None:
        asset_service_pb2_grpc.add_AssetServiceServicer_to_server(servicer, server)

    return Assembly(
        service_full_name=_SERVICE,
        add_servicer=add_servicer,
        subscriptions=(
            Subscription("payout", {"lifecycle_contract_changed": on_lifecycle}),
            Subscription("chain_sync", on_chain_sync),
        ),
        workers=(Worker("register check", check_register, settings.register_check_seconds),),
    )
