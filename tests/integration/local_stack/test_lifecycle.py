"""The stack as `make up` and `make down` use it: real processes, stand-ins for the services."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from deploy.local.component import RunState
from deploy.local.errors import ComponentFailedError, PortTakenError
from deploy.local.processes import ProcessIdentity, identify, wait_until
from deploy.local.settings import ANVIL, INFRASTRUCTURE, NATS, POSTGRES
from deploy.local.stack import Stack
from deploy.local.state import StateFolder
from tests.integration.local_stack.support import COMMAND_SECONDS, STAND_INS, START_SECONDS, Place, pids

EVERYTHING = {*INFRASTRUCTURE, "asset_service", "distribution_service", "payout_service", "chain_sync_service"}


def test_up_status_second_up_repair_and_down(here: Place) -> None:
    status, output = here.run("up")
    assert status == 0, output
    assert "the stack is up" in output
    assert "settings of this shell" not in output
    first = dict(pids(here.state()))
    assert set(first) == EVERYTHING

    status, output = here.run("status", "--json")
    assert status == 0, output
    components = json.loads(output)["components"]
    assert {component["name"] for component in components} == EVERYTHING
    assert all(component["healthy"] and component["version"] != "?" for component in components)

    status, output = here.run("up", ASSET_SERVICE_LOG_LEVEL="debug")
    assert status == 0
    assert "already running" in output
    assert "settings of this shell are not applied to what already ran" in output
    assert "`make down` first" in output
    assert "gRPC: asset=127.0.0.1:" in output
    assert pids(here.state()) == first

    os.kill(first["payout_service"], signal.SIGKILL)
    os.kill(first["nats"], signal.SIGKILL)
    status, output = here.run("status")
    assert status == 1
    assert output.count("dead") == 2
    status, output = here.run("up")
    assert status == 0, output
    assert "starting again what had died: nats, payout_service" in output
    repaired = pids(here.state())
    changed = {name for name in EVERYTHING if repaired[name] != first[name]}
    assert changed == {"nats", "payout_service"}

    status, output = here.run("down")
    assert status == 0
    here.assert_nothing_runs()
    status, output = here.run("down")
    assert (status, output.strip()) == (0, "nothing is running")


def test_services_end_before_what_they_need(here: Place) -> None:
    stopped: list[str] = []
    stack = Stack(
        here.settings(), report=lambda line: stopped.append(line.split()[0]) if "stopped" in line else None
    )
    stack.start()
    stack.stop()
    assert set(stopped[:4]) == set(stack.services)
    assert set(stopped[4:]) == set(INFRASTRUCTURE)


def test_two_ups_at_once_start_one_stack(here: Place) -> None:
    both = [here.command("up"), here.command("up")]
    outputs = [child.communicate(timeout=COMMAND_SECONDS)[0] for child in both]
    assert [child.returncode for child in both] == [0, 0], outputs
    # 7 processes, and PostgreSQL's own children.
    leaders = {psutil.Process(pid).pid for pid in pids(here.state()).values()}
    assert len(leaders) == len(EVERYTHING)
    anvils = [line for line in here.survivors() if "anvil" in line]
    assert len(anvils) == 1


@pytest.mark.parametrize("variable", ["MASSPAYOUT_NATS_PORT", "MASSPAYOUT_ASSET_PORT"])
def test_a_taken_port_names_variable_port_and_holder_and_starts_nothing(here: Place, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        status, output = here.run("up", **{variable: str(port)})
    assert status == 1
    assert f"error: {variable}={port}: the port is taken by " in output
    assert f"(pid {os.getpid()})" in output
    assert "is ready" not in output
    here.assert_nothing_runs()


def test_pinned_ports_are_used(here: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    stack = Stack(here.settings((), (ANVIL,), MASSPAYOUT_ANVIL_PORT=str(port)))
    with stack:
        assert stack.endpoints.rpc_url == f"http://127.0.0.1:{port}"
        with pytest.raises(PortTakenError):
            Stack(
                Place(here.base_dir.parent / "other").settings((), (ANVIL,), MASSPAYOUT_ANVIL_PORT=str(port))
            ).start()


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_stale_pid_is_never_signalled(here: Place, stubborn: bool) -> None:
    """The recorded pid belongs to another process now: down leaves it alone, up starts a new component."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            folder = StateFolder(here.base_dir)
            folder.create()
            state = folder.load()
            now = identify(stranger.pid)
            assert now is not None
            state.component("nats").process = ProcessIdentity(stranger.pid, f"{now.started}0")
            state.component("nats").port = 20_001
            folder.save(state)

            stack = Stack(here.settings((), (NATS,)))
            assert stack.nats is not None
            assert stack.nats.run_state is RunState.DEAD
            if stubborn:
                stack.nats.kill()
            stack.stop()
            assert stranger.poll() is None
            stack.start()
            assert stack.nats.pid not in (None, stranger.pid)
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize(
    ("moment", "number"),
    [("postgres", signal.SIGINT), ("anvil", signal.SIGTERM), ("asset_service", signal.SIGINT)],
)
def test_interrupted_half_way_leaves_nothing_running(here: Place, moment: str, number: signal.Signals) -> None:
    # A service that never serves keeps the start from ending before the signal.
    child = here.command("up", CHAIN_SYNC_SERVICE_STAND_IN="never_serving")
    assert wait_until(lambda: moment in pids(here.state()) or child.poll() is not None, START_SECONDS)
    assert child.poll() is None
    child.send_signal(number)
    output, _ = child.communicate(timeout=COMMAND_SECONDS)
    assert child.returncode == 130, output
    assert "interrupted: everything that was just started has been stopped" in output
    here.assert_nothing_runs()
    assert pids(here.state()) == {}


def test_what_ran_before_survives_an_interrupted_up(here: Place) -> None:
    assert here.run("up", "--infrastructure-only")[0] == 0
    before = pids(here.state())
    child = here.command("up", ASSET_SERVICE_STAND_IN="never_serving")
    assert wait_until(lambda: "asset_service" in pids(here.state()), START_SECONDS)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=COMMAND_SECONDS)
    assert child.returncode == 130
    assert pids(here.state()) == before


def test_a_service_that_dies_shows_its_log_and_nothing_is_left(here: Place) -> None:
    status, output = here.run("up", PAYOUT_SERVICE_STAND_IN="die")
    assert status == 1
    assert "error: payout_service ended with status 3 while starting" in output
    assert "| stand-in: cannot go on" in output
    here.assert_nothing_runs()


def test_a_service_that_is_never_healthy_is_given_up(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(here.settings(STAND_INS[:1], (), ASSET_SERVICE_STAND_IN="never_serving"))
    stack.start(services=False)
    service = stack.services["asset_service"]
    service.begin()
    said: list[str | None] = []

    def is_asked() -> bool:
        said[:] = [service.probe()]
        return "NOT_FOUND" in str(said[0])

    # A busy machine may need more than the second to start the process, or for an answer: what was answered stays.
    assert wait_until(is_asked, START_SECONDS)
    monkeypatch.setattr(service, "probe", lambda: said[0])
    with pytest.raises(
        ComponentFailedError, match=r"not ready after 1 s: health of 'masspayout.asset.v1.AssetService': NOT_FOUND"
    ):
        service.start(seconds=1)
    assert service.run_state is RunState.STOPPED
    stack.stop()
    here.assert_nothing_runs()


def test_a_service_that_ignores_sigterm_is_killed(here: Place) -> None:
    settings = here.settings(STAND_INS[:1], (), ASSET_SERVICE_STAND_IN="stubborn")
    with Stack(settings) as stack:
        service = stack.services["asset_service"]
        service.stop_seconds = 0.5
        service.stop()
        assert not service.running


def test_a_service_gets_its_own_secrets_and_no_other(here: Place) -> None:
    settings = here.settings(
        ASSET_SERVICE_LOG_LEVEL="debug",
        PAYOUT_SERVICE_CONFIRMATIONS="7",
        ASSET_SERVICE_PAYOUT_ADDRESS="203.0.113.1:1",
        MASSPAYOUT_PAYOUT_PORT="",
    )
    with Stack(settings) as stack:
        asset = psutil.Process(stack.services["asset_service"].pid).environ()
        payout = psutil.Process(stack.services["payout_service"].pid).environ()
        passwords = StateFolder(here.base_dir).secrets()
        assert asset["ASSET_SERVICE_LOG_LEVEL"] == "debug"
        assert asset["ASSET_SERVICE_PAYOUT_ADDRESS"] == stack.endpoints.services["payout_service"]
        assert asset["ASSET_SERVICE_CHAIN_SYNC_ADDRESS"] == stack.endpoints.services["chain_sync_service"]
        assert payout["PAYOUT_SERVICE_CONFIRMATIONS"] == "7"
        assert payout["PAYOUT_SERVICE_CHAIN_ID"] == "298"
        assert payout["PAYOUT_SERVICE_DEVNET_GENESIS_HASH"] == stack.endpoints.genesis_hash
        assert not any(key.startswith(("PAYOUT_SERVICE_", "MASSPAYOUT_")) for key in asset)
        assert not any(passwords.roles["payout"] in value for value in asset.values())

        key_file = Path(payout["PAYOUT_SERVICE_SIGNER_KEY_FILE"])
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert stack.anvil is not None
        assert stack.anvil.balance(str(stack.endpoints.signer_address)) > 0

        # No secret on any command line, in any log, or in a file that others can read.
        secrets = [passwords.postgres_superuser, passwords.nats, *passwords.roles.values()]
        secrets.append(key_file.read_text(encoding="ascii").strip().removeprefix("0x"))
        command_lines = here.survivors()
        logs = [path.read_text(encoding="utf-8") for path in (here.base_dir / "logs").iterdir()]
        for text in [*command_lines, *logs, repr(stack.endpoints), repr(settings)]:
            assert not any(secret in text for secret in secrets)
        assert stat.S_IMODE(here.base_dir.stat().st_mode) == 0o700
        for path in (here.base_dir / "state.json", here.base_dir / "secrets.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_restart_replica_and_stop_of_single_services(here: Place) -> None:
    settings = here.settings(STAND_INS[:1], ())
    with Stack(settings) as stack:
        service = stack.services["asset_service"]
        endpoint, pid = service.endpoint, service.pid
        service.kill()
        assert service.run_state is RunState.DEAD
        service.restart()
        assert (service.endpoint, service.running) == (endpoint, True)
        assert service.pid != pid
        replica = stack.start_replica("asset_service", environment={"ASSET_SERVICE_LOG_LEVEL": "debug"})
        assert replica.endpoint != endpoint
        assert replica.status().health == "SERVING"
        # Another object, as another process would make it, knows all of them.
        assert {"asset_service", "asset_service-2"} <= set(Stack(settings).components)
        stack.stop_services(["asset_service"])
        assert not service.running
        assert not replica.running


def test_stacks_beside_each_other(here: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    first, second = Stack(here.settings((), (NATS, ANVIL))), Stack(other.settings((), (NATS, ANVIL)))
    try:
        with first, second:
            assert first.endpoints.genesis_hash != second.endpoints.genesis_hash
            assert first.endpoints.nats_url != second.endpoints.nats_url
    finally:
        second.destroy()


def test_parts_given_by_url_are_left_out(here: Place, tmp_path: Path) -> None:
    """A second stack on the first one's database, NATS and node: no signer key, no genesis, services run."""
    with Stack(here.settings(())) as infrastructure:
        ends = infrastructure.endpoints
        other = Place(tmp_path / "other")
        stack = Stack(
            other.settings(
                MASSPAYOUT_DATABASE_URL=str(ends.admin_database_url),
                MASSPAYOUT_NATS_URL=str(ends.nats_url),
                MASSPAYOUT_RPC_URL=str(ends.rpc_url),
            )
        )
        try:
            with stack:
                assert stack.infrastructure == []
                payout = psutil.Process(stack.services["payout_service"].pid).environ()
                assert payout["PAYOUT_SERVICE_RPC_URL"] == ends.rpc_url
                assert payout["PAYOUT_SERVICE_CHAIN_ID"] == "298"
                assert "PAYOUT_SERVICE_SIGNER_KEY_FILE" not in payout
                assert "PAYOUT_SERVICE_DEVNET_GENESIS_HASH" not in payout
                external = [line for line in stack.status() if line.state is RunState.EXTERNAL]
                assert [line.name for line in external] == ["postgres", "nats", "anvil"]
                assert not any("@" in line.endpoint for line in external)
        finally:
            stack.destroy()


def test_start_works_while_an_event_loop_runs_and_in_a_thread(here: Place) -> None:
    stack = Stack(here.settings((), (POSTGRES,)))
    failures: list[BaseException] = []

    def start() -> None:
        try:
            with stack:
                pass
        except BaseException as error:  # shown by the assertion
            failures.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(COMMAND_SECONDS)
    assert failures == []


def test_the_output_of_logs(here: Place) -> None:
    settings = here.settings(STAND_INS[:1], ())
    with Stack(settings):
        status, output = here.run("logs", "asset_service")
        assert status == 0
        assert "asset_service        | stand-in: serving masspayout.asset.v1.AssetService" in output
        assert here.run("logs", "nobody")[0] == 1
        follower = here.command("logs", "--follow", "asset_service")
        assert follower.stdout is not None
        assert "stand-in: serving" in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=COMMAND_SECONDS)
        assert follower.returncode == 130


def test_a_damaged_state_file_is_named(here: Place) -> None:
    folder = StateFolder(here.base_dir)
    folder.create()
    folder.state_path.write_text("{", encoding="ascii")
    status, output = here.run("up")
    assert (status, output.strip()) == (1, f"error: {folder.state_path} is damaged: it is not JSON")
    folder.state_path.unlink()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MASSPAYOUT_NATS_PORT", "http"),
        ("MASSPAYOUT_ANVIL_PORT", "0"),
        ("MASSPAYOUT_DATABASE_URL", "mysql://x:secret@y/z"),
    ],
)
def test_a_bad_setting_is_named_without_its_secret(here: Place, variable: str, value: str) -> None:
    status, output = here.run("up", **{variable: value})
    assert status == 1
    assert output.startswith(f"error: {variable}: ")
    assert "secret" not in output
