"""Puts payout_service together."""

from pathlib import Path
from uuid import UUID, uuid4

import grpc
from masspayout.payout.v1 import payout_service_pb2, payout_service_pb2_grpc

from libs import failpoints
from libs.clock import SystemClock
from libs.config import ServiceSettings, SettingsError
from libs.evm.rpc import JsonRpc
from libs.service import Assembly, Runtime, ServiceDefinition
from libs.worker import Worker
from payout_service.api.consumers import PayoutConsumers
from payout_service.api.servicer import PayoutServicer
from payout_service.application.advance_lifecycle import advance_one_lifecycle
from payout_service.application.advance_payout import advance_one_payout
from payout_service.application.drive_transactions import drive_transactions
from payout_service.application.engine import Engine
from payout_service.application.ports import EngineSettings
from payout_service.config import PayoutSettings
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.infrastructure import tables
from payout_service.infrastructure.evm_contracts import EvmContracts
from payout_service.infrastructure.evm_rail import EvmRail
from payout_service.infrastructure.lifecycle_artifact import JsonLifecycleArtifact, load_artifact
from payout_service.infrastructure.queries import PayoutQueries
from payout_service.infrastructure.signer import KeyFiles, LocalSigner, load_signer
from payout_service.infrastructure.unit_of_work import SqlPayoutUnitOfWork

_SERVICE = payout_service_pb2.DESCRIPTOR.services_by_name["PayoutService"].full_name


class _RandomIds:
    def new(self) -> UUID:
        """A random UUID."""
        return uuid4()


def define() -> tuple[ServiceSettings, ServiceDefinition]:
    """Reads settings, key and artifact. Raises SettingsError."""
    settings = PayoutSettings.load()
    signer = load_signer(
        KeyFiles(settings.signer_keystore_file, settings.signer_password_file, settings.signer_key_file),
        is_devnet=bool(settings.devnet_genesis_hash),
    )
    artifact = load_artifact(settings.lifecycle_artifact) if settings.lifecycle_artifact else None
    try:
        points = failpoints.from_setting(settings.failpoints)
    except ValueError as error:
        raise SettingsError(f"PAYOUT_SERVICE_FAILPOINTS: {error}") from None

    async def build(runtime: Runtime) -> Assembly:
        return _assemble(settings, signer, artifact, points, runtime)

    return settings, ServiceDefinition(
        name="payout",
        shared_tables=tables.shared,
        migrations_folder=Path(__file__).parent / "infrastructure" / "migrations",
        build=build,
    )


def _assemble(
    settings: PayoutSettings,
    signer: LocalSigner,
    artifact: JsonLifecycleArtifact | None,
    points: failpoints.Failpoints,
    runtime: Runtime,
) -> Assembly:
    rpc = JsonRpc(
        settings.rpc_url.get_secret_value(),
        timeout_seconds=settings.rpc_timeout_seconds,
        batch_size=settings.rpc_batch_size,
    )
    runtime.stack.push_async_callback(rpc.close)
    clock = SystemClock()
    workers: list[Worker] = []

    def nudge() -> None:
        for worker in workers:
            worker.nudge()

    engine = Engine(
        unit_of_work=lambda: SqlPayoutUnitOfWork(runtime.engine, tables.shared, clock, runtime.nudge_relay),
        rail=EvmRail(rpc, signer, settings.max_fee_per_gas_wei),
        contracts=EvmContracts(rpc),
        clock=clock,
        ids=_RandomIds(),
        failpoints=points,
        settings=_engine_settings(settings),
        chain_id=settings.chain_id,
        signer=signer.address,
        artifact=artifact,
        devnet_genesis_hash=settings.devnet_genesis_hash.lower(),
        nudge=nudge,
    )
    workers.extend(
        [
            Worker("lifecycle contracts", lambda: advance_one_lifecycle(engine), settings.poll_seconds),
            Worker("payouts", lambda: advance_one_payout(engine), settings.poll_seconds),
            Worker("transactions", lambda: drive_transactions(engine), settings.poll_seconds),
        ]
    )
    servicer = PayoutServicer(engine, PayoutQueries(runtime.engine))

    def add_servicer(server: grpc.aio.Server) -> None:
        payout_service_pb2_grpc.add_PayoutServiceServicer_to_server(servicer, server)

    return Assembly(
        service_full_name=_SERVICE,
        add_servicer=add_servicer,
        subscriptions=PayoutConsumers(engine).subscriptions(),
        workers=workers,
    )


def _engine_settings(settings: PayoutSettings) -> EngineSettings:
    return EngineSettings(
        confirmations=settings.confirmations,
        batch_limits=BatchLimits(
            max_gas=settings.max_batch_gas,
            max_calldata_bytes=settings.max_batch_calldata_bytes,
            max_payees=settings.max_batch_payees,
        ),
        max_open_batches=settings.max_in_flight_transactions,
        max_in_flight_transactions=settings.max_in_flight_transactions,
        max_transaction_gas=settings.max_transaction_gas,
        lease_seconds=settings.lease_seconds,
        rebroadcast_seconds=settings.rebroadcast_seconds,
        poll_seconds=settings.poll_seconds,
        min_gas_money_wei=settings.min_gas_money_wei,
    )
