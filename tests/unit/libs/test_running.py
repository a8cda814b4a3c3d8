"""Workers, failpoints, settings."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from libs import failpoints
from libs.config import ServiceSettings, SettingsError
from libs.worker import Worker


class Recorder:
    """A worker's waits instead of time; stops the worker after some steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, results: list[bool | Exception]) -> None:
        self.waits: list[float] = []
        self.steps = 0
        self._results = results
        self.worker = Worker("test", self._step, poll_seconds=7)

        async def wait(worker: Worker, seconds: float) -> None:
            self.waits.append(seconds)

        monkeypatch.setattr(Worker, "_wait", wait)

    async def _step(self) -> bool:
        result = self._results[self.steps]
        self.steps += 1
        if self.steps == len(self._results):
            self.worker.stop()
        if isinstance(result, Exception):
            raise result
        return result


async def test_a_worker_goes_on_at_once_while_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch, [True, True, False, True])
    await recorder.worker.run()
    assert (recorder.steps, recorder.waits) == (4, [7])


async def test_errors_wait_longer_and_longer_and_success_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [RuntimeError("away")] * 7
    recorder = Recorder(monkeypatch, [*errors, True, RuntimeError("again"), True])
    await recorder.worker.run()
    assert recorder.waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.2])


async def until(condition: Callable[[], bool]) -> None:
    """Lets the other tasks run; the caller bounds it."""
    while True:
        if condition():
            return
        await asyncio.sleep(0)


async def test_a_nudge_ends_a_wait() -> None:
    steps = 0

    async def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    worker = Worker("test", step, poll_seconds=3600)
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        await until(lambda: steps == 1)
        worker.nudge()
        await until(lambda: steps == 2)
        worker.nudge()
        await until(lambda: steps == 3)
        worker.stop()
        await task
    assert steps == 3


async def test_a_nudge_during_a_step_is_not_lost() -> None:
    steps = 0

    async def step() -> bool:
        nonlocal steps
        steps += 1
        if steps == 1:
            worker.nudge()
        else:
            worker.stop()
        return False

    worker = Worker("test", step, poll_seconds=3600)
    async with asyncio.timeout(10):
        await worker.run()
    assert steps == 2


@pytest.mark.parametrize("text", ["x", "x=", "x=stop", "x=kill,y", "x@=kill=", "x@a=kill", "=hold"])
def test_a_malformed_failpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"failpoint|invalid literal"):
        failpoints.from_setting(text)


async def test_a_failpoint_holds_at_its_nth_reach_until_released(tmp_path: Path) -> None:
    marker = tmp_path / "held"
    points = failpoints.from_setting(f"place@2=hold:{marker},other=kill")
    await points.reach("place")
    assert not marker.exists()
    holding = asyncio.create_task(points.reach("place"))
    async with asyncio.timeout(10):
        await until(marker.exists)
        assert not holding.done()
        assert marker.read_text() == "place"
        marker.unlink()
        await holding
        await points.reach("place")


async def test_without_the_setting_nothing_happens() -> None:
    await failpoints.from_setting("").reach("place")


class Settings(ServiceSettings):
    """Settings of a service that there is not."""

    model_config = SettingsConfigDict(env_prefix="TEST_SERVICE_")


def test_wrong_settings_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SERVICE_DATABASE_URL", "postgresql://role:hunter2@host/db")
    monkeypatch.setenv("TEST_SERVICE_DATABASE_POOL_SIZE", "hunter3")
    monkeypatch.setenv("TEST_SERVICE_DRAIN_SECONDS", "-4711")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    text = str(caught.value)
    for name in ("NATS_URL", "LISTEN_ADDRESS", "DATABASE_POOL_SIZE", "DRAIN_SECONDS"):
        assert f"TEST_SERVICE_{name}: " in text
    for value in ("hunter2", "hunter3", "4711"):
        assert value not in text
    assert caught.value.__cause__ is None


def test_secrets_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SERVICE_DATABASE_URL", "postgresql://role:hunter2@host/db")
    monkeypatch.setenv("TEST_SERVICE_NATS_URL", "nats://user:hunter3@host")
    monkeypatch.setenv("TEST_SERVICE_LISTEN_ADDRESS", "host:1")
    assert "hunter" not in f"{Settings.load()!r} {Settings.load()}"
