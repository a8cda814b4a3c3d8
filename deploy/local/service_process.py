"""Runs one of the four services as a process of the stack."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

from deploy.local.component import Component, StackContext
from deploy.local.ports import LOOPBACK
from deploy.local.processes import ManagedProcess, spawn
from deploy.local.services import ServiceSpec

HEALTH_SECONDS = 1.0


class ServiceProcess(Component):
    """One replica of a service.

    ``base_environment`` is asked at every start; ``overrides`` are a test's own settings and win over it.
    """

    healthy_word = "SERVING"

    def __init__(
        self,
        spec: ServiceSpec,
        context: StackContext,
        base_environment: Callable[[], Mapping[str, str]],
        *,
        replica: int = 1,
    ) -> None:
        super().__init__(spec.name if replica == 1 else f"{spec.name}-{replica}", context)
        self.spec = spec
        self.replica = replica
        self.base_environment = base_environment
        self.overrides: Mapping[str, str] = {}
        self.port_variable = spec.port_variable if replica == 1 else ""
        self.stop_seconds = context.settings.drain_seconds

    @property
    @override
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @override
    def prepare(self) -> None:
        """Do nothing: a service has no files of its own."""

    @override
    def launch(self) -> ManagedProcess:
        environment = {
            "PYTHONUNBUFFERED": "1",
            **self.base_environment(),
            **self.overrides,
            f"{self.spec.environment_prefix}LISTEN_ADDRESS": self.endpoint,
        }
        return spawn(
            self.context.settings.command(self.spec),
            cwd=self.context.settings.repository,
            environment=environment,
            log_path=self.log_path,
        )

    @override
    def probe(self) -> str | None:
        with grpc.insecure_channel(self.endpoint, options=(("grpc.enable_http_proxy", 0),)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in self.spec.health_names:
                try:
                    reply = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=HEALTH_SECONDS)
                except grpc.RpcError as error:
                    return f"health of {name or 'the server'!r}: {_code(error)}"
                if reply.status != health_pb2.HealthCheckResponse.SERVING:
                    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
                    return f"health of {name or 'the server'!r}: {status}"
        return None

    @override
    def version(self) -> str:
        """Return the version of the checkout, from which a service is started."""
        text = (self.context.settings.repository / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def _code(error: Exception) -> str:
    return error.code().name if isinstance(error, grpc.Call) else "no answer"
