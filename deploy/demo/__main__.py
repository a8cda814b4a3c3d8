"""`python -m deploy.demo`: exit status 0 only when every holder's balance was verified on the chain."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from types import FrameType

from rich.console import Console

from deploy.demo.coupon import pay_coupon
from deploy.demo.dividend import pay_dividend
from deploy.demo.outcome import Outcome, print_batches
from deploy.demo.redemption import redeem
from deploy.demo.scene import Scene, open_scene
from deploy.demo.settings import DemoError, DemoSettings, Scenario
from deploy.demo.snapshot import pay_snapshot
from deploy.devnet.deployer import DevnetError
from deploy.local.errors import StackError
from deploy.local.settings import REPOSITORY, StackSettings
from deploy.local.stack import Endpoints, Stack
from libs.errors import AppError

_RESULT = REPOSITORY / ".run" / "demo.json"
_SCENARIOS: Mapping[Scenario, Callable[[Scene], Awaitable[Outcome]]] = {
    Scenario.SNAPSHOT: pay_snapshot,
    Scenario.DIVIDEND: pay_dividend,
    Scenario.COUPON: pay_coupon,
    Scenario.REDEMPTION: redeem,
}


def main() -> int:
    """Runs the demo. Returns the process's exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Without a terminal (a pipe, a CI log) wide enough for whole transaction hashes.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    try:
        settings = DemoSettings.load()
        stack = Stack(
            StackSettings(service_environment={"payout_service": settings.payout_service_environment}),
            report=lambda line: console.print(f"  {line}", style="dim"),
        )
        if stack.running:
            raise DemoError("the local stack is running already: `make down` first, the demo starts its own")
        return _run(settings, stack, console)
    except (DemoError, DevnetError, StackError, AppError) as error:
        console.print(f"error: {error}", style="bold red")
        return 1
    except KeyboardInterrupt:
        console.print("\ninterrupted: everything that was started has been stopped")
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(settings: DemoSettings, stack: Stack, console: Console) -> int:
    began = time.monotonic()
    is_kept = False
    try:
        console.print("[bold]Starting[/] PostgreSQL, NATS, an EVM chain and the four services")
        endpoints = stack.start()
        outcome = asyncio.run(_tell(settings, endpoints, console))
        seconds = round(time.monotonic() - began, 1)
        is_kept = settings.keep
    finally:
        if not is_kept:
            stack.stop()
    print_batches(outcome.paid, console)
    result = outcome.result(settings, seconds)
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    _RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for difference in outcome.verification.differences[:10]:
        console.print(f"DIFFERENCE: {difference}", style="bold red")
    console.print_json(data=result)
    if is_kept:
        console.print("The stack keeps running: `make status`, `make logs`, `make down`.")
    return 0 if outcome.verification.is_verified else 1


async def _tell(settings: DemoSettings, endpoints: Endpoints, console: Console) -> Outcome:
    async with open_scene(settings, endpoints, console) as scene:
        return await _SCENARIOS[settings.scenario](scene)


if __name__ == "__main__":
    sys.exit(main())
