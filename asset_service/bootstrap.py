"""Puts asset_service together."""

from pathlib import Path
from uuid import uuid4

import grpc
from masspayout.asset.v1 import asset_service_pb2, asset_service_pb2_grpc

from asset_service.api.consumers import HolderBalancesChangedHandler, LifecycleContractChangedHandler
from asset_service.api.servicer import AssetServicer
from asset_service.application.apply_balance_changes import ApplyBalanceChanges
from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport
from asset_service.application.import_asset import ImportAsset
from asset_service.application.queries import AssetQueries
from asset_service.config import AssetServiceSettings
from asset_service.infrastructure.peers import ChainSyncPeer, PayoutPeer
from asset_service.infrastructure.reader import SqlAssetReader
from asset_service.infrastructure.tables import shared
from asset_service.infrastructure.unit_of_work import AssetUnitOfWork
from libs.clock import SystemClock
from libs.config import ServiceSettings
from libs.grpc_kit.peer import open_channel
from libs.messaging.consumer import Subscription
from libs.service import Assembly, Runtime, ServiceDefinition

MIGRATIONS_FOLDER = Path(__file__).parent / "infrastructure" / "migrations"
_SERVICE = asset_service_pb2.DESCRIPTOR.services_by_name["AssetService"].full_name


def definition() -> tuple[ServiceSettings, ServiceDefinition]:
    """The service with its settings. Raises SettingsError."""
    settings = AssetServiceSettings.load()

    async def build(runtime: Runtime) -> Assembly:
        return await assemble(settings, runtime)

    return settings, ServiceDefinition("asset", shared, MIGRATIONS_FOLDER, build)


async def assemble(settings: AssetServiceSettings, runtime: Runtime) -> Assembly:
    """Builds everything on a runtime; channels are closed with the runtime's stack."""
    clock = SystemClock()

    def unit_of_work() -> AssetUnitOfWork:
        return AssetUnitOfWork(runtime.engine, clock, runtime.nudge_relay, uuid4)

    chain_sync = open_channel(settings.chain_sync_address)
    payout = open_channel(settings.payout_address)
    runtime.stack.push_async_callback(chain_sync.close)
    runtime.stack.push_async_callback(payout.close)
    servicer = AssetServicer(
        ImportAsset(unit_of_work, ChainSyncPeer(chain_sync), PayoutPeer(payout), clock, uuid4),
        AssetQueries(SqlAssetReader(runtime.engine)),
    )
    on_lifecycle = LifecycleContractChangedHandler(ApplyLifecycleReport(unit_of_work, clock))
    on_balances = HolderBalancesChangedHandler(ApplyBalanceChanges(unit_of_work, clock))

    def add_servicer(server: grpc.aio.Server) -> None:
        asset_service_pb2_grpc.add_AssetServiceServicer_to_server(servicer, server)

    return Assembly(
        service_full_name=_SERVICE,
        add_servicer=add_servicer,
        subscriptions=(
            Subscription("payout", {"lifecycle_contract_changed": on_lifecycle}),
            Subscription("chain_sync", {"holder_balances_changed": on_balances}),
        ),
    )
