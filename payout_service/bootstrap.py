"""Builds payout_service from its settings: chain, keys, database, engine, servicer, workers."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import grpc
from masspayout.payout.v1 import payout_service_pb2, payout_service_pb2_grpc

from libs import failpoints
from libs.chain.address import EvmAddress
from libs.chain.quantities import Wei
from libs.clock import SystemClock
from libs.config import ServiceSettings, SettingsError
from libs.evm.pacing import MethodPacing, TierLimits
from libs.evm.rpc import JsonRpc
from libs.grpc_kit.peer import open_channel
from libs.service import Assembly, Runtime, ServiceDefinition
from libs.worker import Worker
from payout_service.api.consumers import PayoutConsumers
from payout_service.api.servicer import PayoutServicer
from payout_service.application.audit.reconcile_payout import reconcile_one
from payout_service.application.contract.advance_lifecycle import advance_one_lifecycle
from payout_service.application.engine import Engine
from payout_service.application.engine_settings import EngineSettings
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.application.sending.lanes import Lanes, lanes_of
from payout_service.application.treasury.sweep_leftover import advance_one_sweep
from payout_service.config import PayoutSettings
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.retry import RetryPolicy
from payout_service.infrastructure.alarms import TelemetryAlarms
from payout_service.infrastructure.chain.lifecycle_artifact import JsonLifecycleArtifact, load_artifact
from payout_service.infrastructure.chain.lifecycle_contract import EvmLifecycleContract
from payout_service.infrastructure.chain.payment_token import EvmPaymentToken
from payout_service.infrastructure.chain.rail import EvmRail, FeeModel
from payout_service.infrastructure.chain.recorded_executions import RecordedExecutions
from payout_service.infrastructure.chain.security_token import EvmSecurityToken
from payout_service.infrastructure.chain.sender import EvmSender
from payout_service.infrastructure.chain.signer import KeyFiles, Signer, load_signers
from payout_service.infrastructure.peers.chain_sync_peer import ChainSyncPeer
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.reads import SqlPayoutReads
from payout_service.infrastructure.sql.unit_of_work import SqlPayoutUnitOfWork

_SERVICE = payout_service_pb2.DESCRIPTOR.services_by_name["PayoutService"].full_name


class _RandomIds:
    def new(self) -> UUID:
        """A random UUID."""
        return uuid4()


def define() -> tuple[ServiceSettings, ServiceDefinition]:
    """Reads settings, keys and artifact, and returns the definition of the service. Raises SettingsError."""
    settings = PayoutSettings.load()
    signers = load_signers(
        KeyFiles(
            _files(settings.signer_keystore_file),
            _files(settings.signer_password_file),
            _files(settings.signer_key_file),
        ),
        is_devnet=bool(settings.devnet_genesis_hash),
    )
    artifact = load_artifact(settings.lifecycle_artifact) if settings.lifecycle_artifact else None
    try:
        points = failpoints.from_setting(settings.failpoints)
    except ValueError as error:
        raise SettingsError(f"PAYOUT_SERVICE_FAILPOINTS: {error}") from None

    async def build(runtime: Runtime) -> Assembly:
        return _assemble(settings, signers, artifact, points, runtime)

    return settings, ServiceDefinition(
        name="payout",
        shared_tables=tables.shared,
        migrations_folder=Path(__file__).parent / "infrastructure" / "migrations",
        build=build,
    )


def _assemble(
    settings: PayoutSettings,
    signers: Sequence[Signer],
    artifact: JsonLifecycleArtifact | None,
    points: failpoints.Failpoints,
    runtime: Runtime,
) -> Assembly:
    rpc = _rpc(settings)
    runtime.stack.push_async_callback(rpc.close)
    clock = SystemClock()
    workers: list[Worker] = []

    def nudge() -> None:
        for worker in workers:
            worker.nudge()

    def unit_of_work() -> SqlPayoutUnitOfWork:
        return SqlPayoutUnitOfWork(runtime.engine, tables.shared, clock, runtime.nudge_relay)

    engine = Engine(
        unit_of_work=unit_of_work,
        rail=_rail(settings, rpc),
        security_token=EvmSecurityToken(rpc),
        lifecycle_contract=_lifecycle_contract(settings, rpc, unit_of_work, runtime),
        payment_token=EvmPaymentToken(rpc),
        clock=clock,
        ids=_RandomIds(),
        failpoints=points,
        settings=_engine_settings(settings),
        chain_id=settings.chain_id,
        signers=tuple(signer.address for signer in signers),
        artifact=artifact,
        devnet_genesis_hash=settings.devnet_genesis_hash.lower(),
        nudge=nudge,
    )
    lanes = lanes_of(engine, EvmSender(rpc, signers))
    alarms = TelemetryAlarms()
    workers.extend(
        [
            Worker("lifecycle contracts", lambda: advance_one_lifecycle(engine), settings.poll_seconds),
            Worker("payouts", lambda: advance_one_payout(engine), settings.poll_seconds),
            Worker("sweeps", lambda: advance_one_sweep(engine), settings.poll_seconds),
            Worker("reconciliation", lambda: reconcile_one(engine, alarms), settings.poll_seconds),
            *(_lane_worker(lanes, signer, settings.poll_seconds) for signer in engine.signers),
        ]
    )
    servicer = PayoutServicer(engine, SqlPayoutReads(runtime.engine), alarms)

    def add_servicer(server: grpc.aio.Server) -> None:
        payout_service_pb2_grpc.add_PayoutServiceServicer_to_server(servicer, server)

    return Assembly(
        service_full_name=_SERVICE,
        add_servicer=add_servicer,
        subscriptions=PayoutConsumers(engine).subscriptions(),
        workers=workers,
    )


def _lane_worker(lanes: Lanes, signer: EvmAddress, poll_seconds: float) -> Worker:
    return Worker(f"transactions of {signer}", lambda: drive_transactions(lanes, signer), poll_seconds)


def _files(setting: str) -> tuple[Path, ...]:
    """Returns the files that a setting names, separated by commas."""
    return tuple(Path(name.strip()) for name in setting.split(",") if name.strip())


def _rpc(settings: PayoutSettings) -> JsonRpc:
    pacing = None
    if settings.through_relay:
        limits = TierLimits(
            expensive=settings.relay_tier_1_per_minute,
            moderate=settings.relay_tier_2_per_minute,
            relaxed=settings.relay_tier_3_per_minute,
        )
        pacing = MethodPacing(limits, longest_wait_seconds=settings.relay_longest_wait_seconds)
    return JsonRpc(
        settings.rpc_url.get_secret_value(),
        timeout_seconds=settings.rpc_timeout_seconds,
        batch_size=settings.rpc_batch_size,
        pacing=pacing,
    )


def _lifecycle_contract(
    settings: PayoutSettings, rpc: JsonRpc, unit_of_work: UnitOfWorkFactory, runtime: Runtime
) -> EvmLifecycleContract:
    if not settings.chain_sync_address:
        return EvmLifecycleContract(rpc)
    channel = open_channel(settings.chain_sync_address)
    runtime.stack.push_async_callback(channel.close)

    async def assets_of_contract(contract: EvmAddress) -> list[UUID]:
        async with unit_of_work() as work:
            return [each.asset_id for each in await work.lifecycle.with_address(contract)]

    return RecordedExecutions(rpc, ChainSyncPeer(channel), assets_of_contract)


def _rail(settings: PayoutSettings, rpc: JsonRpc) -> EvmRail:
    fee_model = FeeModel.NODE_GAS_PRICE if settings.through_relay else FeeModel.BLOCK_BASE_FEE
    return EvmRail(
        rpc,
        fee_model=FeeModel.LEGACY if settings.legacy_transactions else fee_model,
        identity_seconds=settings.chain_identity_seconds,
    )


def _engine_settings(settings: PayoutSettings) -> EngineSettings:
    return EngineSettings(
        confirmations=settings.confirmations,
        batch_limits=BatchLimits(
            max_gas=settings.max_batch_gas,
            max_calldata_bytes=settings.max_batch_calldata_bytes,
            max_payees=settings.max_batch_payees,
            max_child_records=settings.max_batch_child_records,
            child_records_per_payee=settings.child_records_per_payee,
        ),
        max_in_flight_transactions=settings.max_in_flight_transactions,
        max_transaction_gas=settings.max_transaction_gas,
        lease_seconds=settings.lease_seconds,
        rebroadcast_seconds=settings.rebroadcast_seconds,
        max_fee_per_gas_wei=Wei(settings.max_fee_per_gas_wei),
        max_attempts=settings.max_attempts,
        replace_after_seconds=settings.replace_after_seconds,
        stale_batch_seconds=settings.stale_batch_seconds,
        retry=RetryPolicy(
            max_tries=settings.max_payment_tries,
            first_delay_seconds=settings.retry_first_seconds,
            longest_delay_seconds=settings.retry_longest_seconds,
        ),
        reconcile_seconds=settings.reconcile_seconds,
        plan_page_size=settings.plan_page_size,
        poll_seconds=settings.poll_seconds,
        min_gas_money_wei=Wei(settings.min_gas_money_wei),
    )
