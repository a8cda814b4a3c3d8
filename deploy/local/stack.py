"""Starts and stops the whole stack, for `make up`, the demo and the tests.

    with Stack(StackSettings(base_dir=tmp_path, fsync=False)) as stack:
        stack.endpoints.services["asset_service"]      # "127.0.0.1:23456"
        stack.services["payout_service"].kill()        # kill -9
        stack.services["payout_service"].restart()

Everything is blocking, and may be called with or without a running event loop (in asyncio tests use
``asyncio.to_thread`` where other tasks have to go on meanwhile). A stack is used by one thread at a time;
processes that use the same ``base_dir`` exclude one another by a lock file.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import asyncpg

from deploy.devnet.artifacts import lifecycle_artifact_path
from deploy.devnet.terms import DEFAULT_VERSION
from deploy.local.anvil import Anvil
from deploy.local.component import Component, ComponentStatus, RunState, StackContext, guarded
from deploy.local.database import DatabaseSpec, close_to_public, ensure_database, run_async, server_version
from deploy.local.errors import StackError
from deploy.local.files import exclusive_lock
from deploy.local.http import rpc
from deploy.local.nats import Nats
from deploy.local.postgres import Postgres, packaged_installation, remove_data, shared_installation_folder
from deploy.local.processes import signals_deferred
from deploy.local.service_process import ServiceProcess
from deploy.local.services import ServiceSpec
from deploy.local.settings import (
    ANVIL,
    CONFIRMATIONS,
    DATABASE_URL_VARIABLE,
    DEVNET_CHAIN_ID,
    NATS,
    POSTGRES,
    RPC_URL_VARIABLE,
    StackSettings,
)
from deploy.local.signer import SIGNER_FUNDS_WEI, ensure_signer

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of all parts. URLs with credentials are kept out of the repr.

    ``database_urls`` is by schema, ``services`` (host:port) by service name; ``chain_id`` is None when there
    is no chain, ``genesis_hash``, ``signer_address`` and ``signer_key_file`` unless the chain is embedded.
    """

    admin_database_url: str | None = field(repr=False)
    database_urls: Mapping[str, str] = field(repr=False)
    nats_url: str | None = field(repr=False)
    nats_monitor_url: str | None
    rpc_url: str | None = field(repr=False)
    chain_id: int | None
    genesis_hash: str | None
    signer_address: str | None
    signer_key_file: Path | None
    services: Mapping[str, str]


class Stack:
    """A stack with a base folder. Creating one reads what is recorded there and starts nothing."""

    def __init__(self, settings: StackSettings | None = None, *, report: Report = lambda line: None) -> None:
        self.settings = settings or StackSettings()
        self._report = report
        self._context = StackContext(self.settings)
        self._context.reload()
        embeds = self.settings.embeds
        self.postgres = Postgres(self._context) if embeds(POSTGRES) else None
        self.nats = Nats(self._context) if embeds(NATS) else None
        self.anvil = Anvil(self._context) if embeds(ANVIL) else None
        self.services: dict[str, ServiceProcess] = {
            spec.name: self._service_process(spec) for spec in self.settings.services
        }
        self._replicas = self._recorded_replicas()
        self._chain_id: int | None = None

    # ------------------------------------------------------------------------------------------- lifecycle

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, services: bool = True) -> Endpoints:
        """Start what does not run, infrastructure first, and wait until all of it is ready.

        What ran before is left alone; when anything fails or is interrupted, what this call started is
        stopped again. Raises StackError (ComponentFailedError, PortTakenError, StackBusyError ...).
        """
        with self._locked():
            self._start([*self.infrastructure], list(self.services) if services else [])
        return self.endpoints

    def start_services(
        self,
        names: Iterable[str] | None = None,
        *,
        environment: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Endpoints:
        """Start services (all by default) with additional settings per service, on a started infrastructure.

        ``environment`` wins over everything but the address to listen on, and stays in force for later
        restarts by this object. A service that runs is left as it is. Raises as ``start``.
        """
        with self._locked():
            self._start([], list(names) if names is not None else list(self.services), environment)
        return self.endpoints

    def stop_services(self, names: Iterable[str] | None = None) -> None:
        """Drain services (all by default): SIGTERM to all, a bounded wait, then SIGKILL."""
        with self._locked():
            wanted = set(self.services if names is None else names)
            self._stop([service for service in self._all_services() if service.spec.name in wanted])

    def start_replica(self, name: str, *, environment: Mapping[str, str] | None = None) -> ServiceProcess:
        """Start one more replica of a service, on a port of its own, and wait until it serves."""
        with self._locked():
            spec = self.services[name].spec
            number = 2
            while f"{name}-{number}" in self._replicas:
                number += 1
            replica = self._service_process(spec, number)
            replica.overrides = {**self.services[name].overrides, **(environment or {})}
            self._replicas[replica.name] = replica
            replica.start()
            return replica

    def stop(self) -> None:
        """Stop everything, services first; data and logs stay. No error when nothing runs."""
        if not self.settings.base_dir.exists():
            return
        with self._locked():
            self._stop(self._all_services())
            self._stop(self.infrastructure)

    def destroy(self, *, shared: bool = False) -> None:
        """Stop everything and delete all data, logs and secrets of this stack.

        With ``shared`` also the copy of PostgreSQL that root's stacks of this repository have in common.
        """
        if self.settings.base_dir.exists():
            with self._locked():
                self._stop(self._all_services())
                self._stop(self.infrastructure)
                remove_data(self.settings.base_dir, recorded=self._context.state.postgres_home)
                shutil.rmtree(self.settings.base_dir, ignore_errors=True)
        if shared:
            shutil.rmtree(shared_installation_folder(packaged_installation()), ignore_errors=True)

    # ----------------------------------------------------------------------------------------- what is there

    @property
    def infrastructure(self) -> list[Component]:
        """The embedded parts."""
        parts: list[Component | None] = [self.postgres, self.nats, self.anvil]
        return [part for part in parts if part is not None]

    @property
    def components(self) -> dict[str, Component]:
        """Embedded parts, services and replicas by name."""
        return {component.name: component for component in [*self.infrastructure, *self._all_services()]}

    @property
    def running(self) -> bool:
        """Whether every part of it runs (which does not mean that it is healthy)."""
        return all(component.running for component in [*self.infrastructure, *self.services.values()])

    @property
    def endpoints(self) -> Endpoints:
        """Return the addresses of the parts that have been started (or given)."""
        admin = self._admin_database_url()
        urls = self._database_spec().urls(admin) if admin else {}
        nats_known = self.nats is not None and self.nats.record.port is not None
        state = self._context.state
        embedded_chain = self.anvil is not None
        return Endpoints(
            admin_database_url=admin,
            database_urls=urls,
            nats_url=self.nats.url if self.nats and nats_known else self.settings.external_nats_url,
            nats_monitor_url=self.nats.monitor_url if self.nats and nats_known else None,
            rpc_url=self._rpc_url(),
            chain_id=self._known_chain_id(),
            genesis_hash=state.genesis.hash if embedded_chain and state.genesis else None,
            signer_address=state.signer_address if embedded_chain else None,
            signer_key_file=self._signer_key_file() if embedded_chain else None,
            services={
                name: service.endpoint
                for name, service in self.services.items()
                if service.record.port is not None
            },
        )

    def service_environment(self, name: str) -> dict[str, str]:
        """Return the environment of a service's process, except its own address (contains its secrets)."""
        settings = self.settings
        spec = self.services[name].spec
        prefix = spec.environment_prefix
        values: dict[str, str] = {}
        admin = self._admin_database_url()
        if admin:
            values["DATABASE_URL"] = self._database_spec().url(admin, spec.schema)
        endpoints = self.endpoints
        if endpoints.nats_url:
            values["NATS_URL"] = endpoints.nats_url
        if spec.reads_chain and endpoints.rpc_url:
            values |= {"RPC_URL": endpoints.rpc_url, "CONFIRMATIONS": str(CONFIRMATIONS)}
            if endpoints.chain_id is not None:
                values["CHAIN_ID"] = str(endpoints.chain_id)
        if spec.signs:
            contracts = settings.repository / ".build" / "contracts"
            values["LIFECYCLE_ARTIFACT"] = str(lifecycle_artifact_path(DEFAULT_VERSION, contracts))
            if endpoints.signer_key_file is not None and endpoints.genesis_hash is not None:
                values["SIGNER_KEY_FILE"] = str(endpoints.signer_key_file)
                values["DEVNET_GENESIS_HASH"] = endpoints.genesis_hash
        addresses = {
            end: endpoints.services[peer] for end, peer in spec.peers.items() if peer in endpoints.services
        }
        given = {key: value for key, value in settings.environment.items() if key.startswith(prefix)}
        return {
            **settings.process_environment(),
            **{prefix + end: value for end, value in values.items()},
            **given,
            **{prefix + end: value for end, value in addresses.items()},
            **settings.service_environment.get(name, {}),
        }

    def status(self) -> list[ComponentStatus]:
        """Return the present state of every part. Asks the parts themselves, which takes a few seconds at most."""
        self._context.reload()
        return [*self._external_status(), *self._status_of([*self.infrastructure, *self._all_services()])]

    # --------------------------------------------------------------------------------------------- internals

    def _start(
        self,
        infrastructure: list[Component],
        service_names: list[str],
        environment: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        services = [self.services[name] for name in service_names]
        idle = [part for part in [*infrastructure, *services] if not part.running]
        # All ports first: when a pinned one is taken, nothing has been started yet.
        for part in idle:
            part.choose_ports()
        started: list[Component] = []
        try:
            self._launch([part for part in infrastructure if part in idle], started)
            for part in infrastructure:
                self._wait(part, fresh=part in idle)
            self._prepare_database()
            self._prepare_chain()
            for service in services:
                if service in idle and environment is not None:
                    service.overrides = environment.get(service.spec.name, {})
            self._launch([service for service in services if service in idle], started)
            for service in services:
                self._wait(service, fresh=service in idle)
        except BaseException:
            with signals_deferred():
                self._stop([part for part in started if isinstance(part, ServiceProcess)])
                self._stop([part for part in started if not isinstance(part, ServiceProcess)])
            raise

    def _launch(self, components: Iterable[Component], started: list[Component]) -> None:
        for component in components:
            started.append(component)
            component.run()

    def _wait(self, component: Component, *, fresh: bool) -> None:
        component.wait_ready()
        if fresh:
            seconds = time.monotonic() - component.started_at
            self._report(f"{component.name} is ready on {component.endpoint} ({seconds:.1f} s)")

    def _stop(self, components: Sequence[Component]) -> None:
        """Ask all of them first, so that they end side by side."""
        running = [component for component in components if component.running]
        for component in running:
            component.request_stop()
        for component in components:
            component.stop()
            if component in running:
                self._report(f"{component.name} has stopped")

    def _prepare_database(self) -> None:
        admin = self._admin_database_url()
        if admin is None:
            return
        try:
            if self.postgres is not None:
                run_async(close_to_public(admin, ["postgres", "template1"]))
            run_async(ensure_database(admin, self._database_spec()))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            where = self.postgres.endpoint if self.postgres else f"{DATABASE_URL_VARIABLE} ({_place(admin)})"
            raise StackError(f"cannot prepare the database at {where}: {type(error).__name__}: {error}") from None

    def _prepare_chain(self) -> None:
        if self.anvil is not None:
            address = ensure_signer(self._signer_key_file())
            self._context.state.signer_address = address
            self._context.save()
            if self.anvil.balance(address) < SIGNER_FUNDS_WEI // 2:
                self.anvil.set_balance(address, SIGNER_FUNDS_WEI)
        elif self.settings.external_rpc_url is not None:
            try:
                self._chain_id = int(rpc(self.settings.external_rpc_url, "eth_chainId", local=False), 16)
            except (OSError, ValueError, TypeError) as error:
                place = _place(self.settings.external_rpc_url)
                raise StackError(f"{RPC_URL_VARIABLE} ({place}) does not answer: {type(error).__name__}") from None

    def _database_spec(self) -> DatabaseSpec:
        passwords = {spec.schema: self._context.secrets.roles[spec.schema] for spec in self.settings.services}
        return DatabaseSpec(passwords, self.settings.database_name, self.settings.role_prefix)

    def _admin_database_url(self) -> str | None:
        if self.postgres is None:
            return self.settings.external_database_url
        return self.postgres.admin_url if self.postgres.record.port is not None else None

    def _rpc_url(self) -> str | None:
        if self.anvil is None:
            return self.settings.external_rpc_url
        return self.anvil.endpoint if self.anvil.record.port is not None else None

    def _known_chain_id(self) -> int | None:
        return DEVNET_CHAIN_ID if self.anvil is not None else self._chain_id

    def _signer_key_file(self) -> Path:
        return self.settings.base_dir / "payout_signer.key"

    def _all_services(self) -> list[ServiceProcess]:
        return [*self.services.values(), *self._replicas.values()]

    def _service_process(self, spec: ServiceSpec, replica: int = 1) -> ServiceProcess:
        return ServiceProcess(spec, self._context, lambda: self.service_environment(spec.name), replica=replica)

    def _recorded_replicas(self) -> dict[str, ServiceProcess]:
        found: dict[str, ServiceProcess] = {}
        for name, record in self._context.state.components.items():
            base, dash, number = name.rpartition("-")
            if record.process and dash and base in self.services and number.isdecimal():
                found[name] = self._service_process(self.services[base].spec, int(number))
        return found

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other processes, and first load what they have recorded."""
        self._context.folder.create()
        with exclusive_lock(self._context.folder.lock_path, self.settings.lock_seconds):
            self._context.reload()
            yield

    def _status_of(self, components: list[Component]) -> list[ComponentStatus]:
        with ThreadPoolExecutor(max_workers=len(components) or 1) as pool:
            return list(pool.map(lambda component: component.status(), components))

    def _external_status(self) -> list[ComponentStatus]:
        lines = []
        settings = self.settings
        if settings.external_database_url:
            url = settings.external_database_url
            version = guarded(lambda: run_async(server_version(url)), "?")
            health = "unreachable" if version == "?" else "ok"
            lines.append(ComponentStatus(POSTGRES, RunState.EXTERNAL, _place(url), version, health, None))
        if settings.external_nats_url:
            lines.append(
                ComponentStatus(
                    NATS, RunState.EXTERNAL, _place(settings.external_nats_url), "?", "not asked", None
                )
            )
        if settings.external_rpc_url:
            node = settings.external_rpc_url
            version = guarded(lambda: str(rpc(node, "web3_clientVersion", local=False)), "?")
            health = "unreachable" if version == "?" else "ok"
            lines.append(ComponentStatus(ANVIL, RunState.EXTERNAL, _place(node), version, health, None))
        return lines


def _place(url: str) -> str:
    """Return host and port of a URL, without credentials, path and query (which may hold API keys)."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
