"""Runs the embedded NATS server, with JetStream stored in files."""

from __future__ import annotations

import json
from urllib.parse import quote

from typing_extensions import override

from deploy.local.component import Component, StackContext
from deploy.local.errors import StackError
from deploy.local.files import make_private_folder, write_private
from deploy.local.http import get_json
from deploy.local.ports import LOOPBACK, choose_free
from deploy.local.processes import ManagedProcess, spawn
from deploy.local.settings import NATS, NATS_PORT_VARIABLE
from deploy.local.tools import nats_server

USER = "masspayout"


class Nats(Component):
    """The embedded message server."""

    port_variable = NATS_PORT_VARIABLE

    def __init__(self, context: StackContext) -> None:
        super().__init__(NATS, context)

    @property
    @override
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The URL with user and password."""
        return f"nats://{USER}:{quote(self.context.secrets.nats, safe='')}@{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """The URL of its monitoring over HTTP (loopback, no credentials needed)."""
        port = self.record.monitor_port
        if port is None:
            raise StackError("nats has not been started, so it has no port yet")
        return f"http://{LOOPBACK}:{port}"

    @override
    def choose_ports(self) -> None:
        super().choose_ports()
        self.context.taken_ports.discard(self.record.monitor_port or 0)
        self.record.monitor_port = choose_free(self.record.monitor_port, self.context.taken_ports)

    @override
    def prepare(self) -> None:
        folder = self.context.settings.base_dir / NATS
        make_private_folder(folder)
        # The configuration file, and not the command line, because it holds the password.
        write_private(
            folder / "nats.conf",
            f"""\
server_name: masspayout
listen: "{LOOPBACK}:{self.port}"
http: "{LOOPBACK}:{self.record.monitor_port}"
authorization {{ user: {json.dumps(USER)}, password: {json.dumps(self.context.secrets.nats)} }}
jetstream {{ store_dir: {json.dumps(str(folder / "jetstream"), ensure_ascii=False)} }}
""",
        )

    @override
    def launch(self) -> ManagedProcess:
        folder = self.context.settings.base_dir / NATS
        return spawn(
            [str(nats_server()), "--config", str(folder / "nats.conf")],
            cwd=folder,
            environment=self.context.settings.process_environment(),
            log_path=self.log_path,
        )

    @override
    def probe(self) -> str | None:
        health = get_json(f"{self.monitor_url}/healthz")
        return None if health.get("status") == "ok" else f"says {health.get('error') or health.get('status')}"

    @override
    def version(self) -> str:
        return str(get_json(f"{self.monitor_url}/varz")["version"])
