"""PostgreSQL, NATS and anvil: killed like in a crash they come back on the same port with their data."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import time
from pathlib import Path
from typing import Any

import asyncpg
import nats
import psutil
import pytest

from deploy.local.errors import StackError
from deploy.local.http import rpc
from deploy.local.postgres import shared_home
from deploy.local.processes import wait_until
from deploy.local.settings import ANVIL, NATS, POSTGRES, Mining, StackSettings
from deploy.local.stack import Stack
from tests.integration.local_stack.support import Place

ACCOUNT = "0x00000000000000000000000000000000000b0b0b"


def settings(here: Place, *parts: str, **more: Any) -> StackSettings:
    return StackSettings(
        base_dir=here.base_dir,
        environment=here.environment(),
        infrastructure=parts,
        services=(),
        fsync=False,
        **more,
    )


async def test_postgres_killed_comes_back_with_what_was_committed(here: Place) -> None:
    with Stack(settings(here, POSTGRES)) as stack:
        assert stack.postgres is not None
        url = str(stack.endpoints.admin_database_url)
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        stack.postgres.kill()
        connection.terminate()
        here.assert_nothing_runs()
        # What PostgreSQL itself takes for a live server: the pid in its lock file is one of its own user's.
        lock = stack.postgres.data / "postmaster.pid"
        lines = lock.read_text(encoding="ascii").splitlines()
        lock.write_text("\n".join([str(_process_of_the_same_user(stack)), *lines[1:]]) + "\n", encoding="ascii")
        stack.postgres.restart()
        assert str(stack.endpoints.admin_database_url) == url
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        await connection.close()


async def test_nats_killed_comes_back_with_its_streams(here: Place) -> None:
    with Stack(settings(here, NATS)) as stack:
        assert stack.nats is not None
        url = str(stack.endpoints.nats_url)
        client = await nats.connect(url)
        await client.jetstream().add_stream(name="kept", subjects=["kept.>"])
        await client.jetstream().publish("kept.one", b"42")
        stack.nats.kill()
        await client.close()
        stack.nats.restart()
        client = await nats.connect(str(stack.endpoints.nats_url))
        assert (await client.jetstream().get_msg("kept", seq=1)).data == b"42"
        await client.close()

        # No password, no service.
        with socket.create_connection(("127.0.0.1", stack.nats.port), timeout=60) as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            with connection.makefile("rb") as answer:
                assert b"'Authorization Violation'" in answer.read()


@pytest.mark.parametrize("mining", [Mining.INTERVAL, Mining.AUTOMINE, Mining.MANUAL])
def test_anvil_killed_or_stopped_keeps_its_chain(here: Place, mining: Mining) -> None:
    with Stack(settings(here, ANVIL, mining=mining, chain_state_seconds=1)) as stack:
        assert stack.anvil is not None
        node = str(stack.endpoints.rpc_url)
        genesis = stack.endpoints.genesis_hash
        rpc(node, "anvil_setBalance", ACCOUNT, hex(42))
        rpc(node, "evm_mine")
        saved = stack.anvil.state_path
        assert wait_until(lambda: ACCOUNT in saved.read_text(encoding="utf-8"), 60)
        stack.anvil.kill()
        stack.anvil.restart()
        assert stack.endpoints.rpc_url == node
        assert stack.anvil.balance(ACCOUNT) == 42
        assert rpc(node, "eth_getBlockByNumber", "0x0", False)["hash"] == genesis
        height = int(rpc(node, "eth_blockNumber"), 16)
        assert height >= 1

        stack.anvil.restart()
        # The genesis block stays the one we recorded, also after several restarts (anvil keeps all it has seen).
        stack.anvil.restart()
        assert rpc(node, "eth_getBlockByNumber", "0x0", False)["hash"] == genesis
        assert int(rpc(node, "eth_blockNumber"), 16) >= height
        before = time.time()
        rpc(node, "evm_mine")
        latest = rpc(node, "eth_getBlockByNumber", "latest", False)
        # However long the machine takes for the two calls.
        assert before - 10 < int(latest["timestamp"], 16) < time.time() + 10


def test_mining_on_demand_makes_no_block_by_itself(here: Place) -> None:
    with Stack(settings(here, ANVIL, mining=Mining.MANUAL)) as stack:
        node = str(stack.endpoints.rpc_url)
        rpc(node, "anvil_setBalance", ACCOUNT, hex(1))
        assert not wait_until(lambda: int(rpc(node, "eth_blockNumber"), 16) > 0, 1.2)


def test_a_damaged_or_missing_chain_is_named(here: Place) -> None:
    stack = Stack(settings(here, ANVIL))
    assert stack.anvil is not None
    stack.start()
    stack.stop()
    whole = stack.anvil.state_path.read_text(encoding="utf-8")
    stack.anvil.state_path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    with pytest.raises(StackError, match="is damaged"):
        stack.start()
    stack.anvil.state_path.unlink()
    with pytest.raises(StackError, match="is gone"):
        stack.start()
    stack.anvil.state_path.write_text(whole, encoding="utf-8")
    stack.start()
    stack.stop()


def test_postgres_in_a_folder_closed_to_others(here: Place) -> None:
    """As root the server runs as somebody else, who cannot enter our folder: its data is kept elsewhere."""
    here.base_dir.parent.chmod(0o700)
    with Stack(settings(here, POSTGRES)) as stack:
        assert stack.postgres is not None
        server = psutil.Process(stack.postgres.pid)
        data = Path(server.cwd())
        if os.geteuid() == 0:
            assert server.uids().real != 0
            assert server.uids().saved != 0
            assert server.gids().real != 0
            assert server.environ().get("HOME") is None
            assert data == shared_home(here.base_dir) / "data"
            assert data.stat().st_uid == server.uids().real
            for folder in Path(server.exe()).parents:
                assert folder.stat().st_mode & stat.S_IXOTH, folder
            assert Path(server.exe()).stat().st_uid == 0
        else:
            assert server.uids().real == os.geteuid()
            assert data == here.base_dir / "postgres" / "data"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        listening = {connection.laddr for connection in server.net_connections() if connection.status == "LISTEN"}
        assert listening == {("127.0.0.1", stack.postgres.port)}
    stack.destroy()
    assert not data.exists()


def test_interrupted_initdb_is_repeated(here: Place) -> None:
    stack = Stack(settings(here, POSTGRES))
    assert stack.postgres is not None
    stack.start()
    stack.stop()
    # What an interruption leaves: a scratch folder, and no data folder.
    stack.postgres.data.rename(stack.postgres.home / "initdb-abandoned")
    stack.start()
    assert not (stack.postgres.home / "initdb-abandoned").exists()
    stack.stop()


def _process_of_the_same_user(stack: Stack) -> int:
    """A live process of the user PostgreSQL runs as: ours, or one of the other stack's server."""
    assert stack.postgres is not None
    owner = stack.postgres.data.stat().st_uid
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == owner:
                return process.pid
    return os.getpid()


def test_a_deleted_state_folder_does_not_stand_in_the_way(here: Place) -> None:
    """As root the data lies elsewhere; without the passwords that were in the folder it is of no use."""
    first = Stack(settings(here, POSTGRES))
    first.start(services=False)
    first.stop()
    shutil.rmtree(here.base_dir)
    with Stack(settings(here, POSTGRES)) as again:
        assert again.status()[0].healthy
