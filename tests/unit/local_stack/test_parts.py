"""The launcher's own small parts: settings, ports, state, processes."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from deploy.local.database import database_url, new_passwords, scram_verifier
from deploy.local.errors import SettingError, StackBusyError, StackError, log_excerpt
from deploy.local.files import exclusive_lock, write_private
from deploy.local.ports import pinned_port
from deploy.local.processes import ProcessIdentity, signals_deferred
from deploy.local.settings import ANVIL, NATS, StackSettings
from deploy.local.signer import ensure_signer
from deploy.local.state import Genesis, StateFolder


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "run")
    folder.create()
    state = folder.load()
    state.component("nats").port = 20_001
    state.component("nats").process = ProcessIdentity(7, "boot:8")
    state.genesis = Genesis(1_700_000_000, 10**9, "0xab")
    state.signer_address = "0xcd"
    folder.save(state)
    assert folder.load() == state
    assert folder.secrets() == folder.secrets()
    assert stat.S_IMODE(folder.state_path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": 99}', '{"format": 1, "components": {"nats": 1}}'])
def test_a_state_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    folder = StateFolder(tmp_path)
    folder.state_path.write_text(text, encoding="ascii")
    with pytest.raises(StackError, match=r"state\.json"):
        folder.load()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\udc00")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_held_lock_is_waited_for_and_its_holder_named(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / "lock", 1),
        pytest.raises(StackBusyError, match=f"pid {os.getpid()}"),
        exclusive_lock(tmp_path / "lock", 0.2),
    ):
        pass


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "٣"])
def test_a_bad_port_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="MASSPAYOUT_NATS_PORT"):
        pinned_port({"MASSPAYOUT_NATS_PORT": value}, "MASSPAYOUT_NATS_PORT")


def test_what_is_given_is_not_embedded() -> None:
    settings = StackSettings(environment={"MASSPAYOUT_NATS_URL": "nats://u:p@h:1"}, infrastructure=(NATS,))
    assert not settings.embeds(NATS)
    assert not settings.embeds(ANVIL)
    assert "u:p" not in repr(settings)


def test_signals_wait_for_the_end_of_a_critical_section() -> None:
    order = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 what happens before it is what is tested
        with signals_deferred():
            signal.raise_signal(signal.SIGINT)
            order.append("finished")
        order.append("never")
    assert order == ["finished"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    thread = threading.Thread(target=lambda: signals_deferred().__enter__())
    thread.start()
    thread.join(5)


def test_a_verifier_is_what_postgresql_expects() -> None:
    first, second = scram_verifier("secret"), scram_verifier("secret")
    assert first != second
    mechanism, iterations_and_salt, keys = first.split("$")
    assert (mechanism, iterations_and_salt.split(":")[0], len(keys.split(":"))) == ("SCRAM-SHA-256", "4096", 2)
    assert "secret" not in first


def test_a_database_url_keeps_host_and_options() -> None:
    url = database_url("postgres://admin:x%40y@db.example:5433/postgres?sslmode=require", "mp", "r/1", "p@ss")
    assert url == "postgresql://r%2F1:p%40ss@db.example:5433/mp?sslmode=require"
    passwords = new_passwords()
    assert len(set(passwords.values())) == len(passwords) == 4


def test_the_signer_is_made_once_and_has_the_address_of_its_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    address = ensure_signer(path)
    assert ensure_signer(path) == address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # The first account of the mnemonic that every development node uses.
    path.write_text("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n", encoding="ascii")
    assert ensure_signer(path) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    path.write_text("nonsense", encoding="ascii")
    with pytest.raises(StackError, match="holds no private key"):
        ensure_signer(path)


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert "is empty" in log_excerpt(log)
    log.write_text("".join(f"line {number}\n" for number in range(100_000)), encoding="ascii")
    excerpt = log_excerpt(log, 2)
    assert excerpt.splitlines()[1:] == ["  | line 99998", "  | line 99999"]
