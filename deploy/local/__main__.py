"""Runs the local stack from a shell: ``python -m deploy.local up|down|status|logs|destroy``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from deploy.local.component import ComponentStatus, RunState
from deploy.local.errors import StackError, log_tail
from deploy.local.services import SERVICES, ServiceSpec
from deploy.local.settings import REPOSITORY, StackSettings
from deploy.local.stack import Stack

FOLLOW_SECONDS = 0.3
LOG_LINES = 20
NOT_APPLIED = "settings of this shell are not applied to what already ran: to apply them, `make down` first"


class Interrupted(BaseException):
    """SIGTERM or SIGHUP arrived. Like KeyboardInterrupt for Ctrl-C, it ends the work after cleaning up."""


def main(arguments: list[str] | None = None, services: tuple[ServiceSpec, ...] = SERVICES) -> int:
    """Run one command on a stack with these services. Return the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="The local Mass Payout stack.")
    parser.add_argument(
        "--base-dir", type=Path, default=REPOSITORY / ".run", help="state and logs (default: .run)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start what does not run, wait until it is healthy")
    up.add_argument("--infrastructure-only", action="store_true", help="without the services")
    commands.add_parser("down", help="stop everything, keep the data")
    status = commands.add_parser("status", help="endpoints, health and versions; exit 1 unless all is well")
    status.add_argument("--json", action="store_true", help="for programs")
    logs = commands.add_parser("logs", help="the end of every log")
    logs.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    logs.add_argument("names", nargs="*", help="components (default: all)")
    destroy = commands.add_parser("destroy", help="stop everything and delete data, logs and secrets")
    destroy.add_argument("--shared", action="store_true", help="and root's copy of PostgreSQL under /var/tmp")
    options = parser.parse_args(arguments)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        settings = StackSettings(base_dir=options.base_dir.resolve(), services=services)
        stack = Stack(settings, report=lambda line: print(f"  {line}", flush=True))
        match options.command:
            case "up":
                return _up(stack, services=not options.infrastructure_only)
            case "down":
                return _down(stack)
            case "status":
                return _status(stack, as_json=options.json)
            case "logs":
                return _logs(stack, options.names, follow=options.follow)
            case _:
                stack.destroy(shared=options.shared)
                return 0
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Interrupted):
        if options.command == "up":
            print("\ninterrupted: everything that was just started has been stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `make logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(signal.Signals(number).name)


def _up(stack: Stack, *, services: bool) -> int:
    wanted = [*stack.infrastructure, *(stack.services.values() if services else [])]
    dead = [part.name for part in wanted if part.run_state is RunState.DEAD]
    running = [part for part in wanted if part.running]
    if dead:
        print(f"starting again what had died: {', '.join(dead)}", flush=True)
    began = time.monotonic()
    stack.start(services=services)
    took = f"the stack is up ({time.monotonic() - began:.1f} s)"
    print("the stack is already running" if len(running) == len(wanted) else took)
    if running:
        print(NOT_APPLIED)
    _print_table(
        [line for line in stack.status() if line.name in {part.name for part in wanted} or line.pid is None]
    )
    return 0


def _down(stack: Stack) -> int:
    if not any(part.running for part in stack.components.values()):
        print("nothing is running")
    stack.stop()
    return 0


def _status(stack: Stack, *, as_json: bool) -> int:
    lines = stack.status()
    if as_json:
        print(json.dumps({"components": [asdict(line) | {"healthy": line.healthy} for line in lines]}, indent=1))
    else:
        _print_table(lines)
    return 0 if all(line.healthy for line in lines if line.state is not RunState.EXTERNAL) else 1


def _print_table(lines: list[ComponentStatus]) -> None:
    rows = [("COMPONENT", "STATE", "ENDPOINT", "VERSION", "HEALTH", "PID")]
    rows += [
        (line.name, line.state.value, line.endpoint, line.version, line.health, str(line.pid or "-"))
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    addresses = [
        f"{line.name.removesuffix('_service')}={line.endpoint}"
        for line in lines
        if "_service" in line.name and line.state is RunState.RUNNING
    ]
    print(f"gRPC: {' '.join(addresses) or 'no service is running'}")


def _logs(stack: Stack, names: list[str], *, follow: bool) -> int:
    known = stack.components
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise StackError(f"no component {', '.join(unknown)}; there are {', '.join(known)}")
    paths = {name: known[name].log_path for name in (names or known)}
    positions: dict[str, int] = {}
    for name, path in paths.items():
        positions[name] = path.stat().st_size if path.exists() else 0
        for line in log_tail(path, LOG_LINES):
            print(f"{name:<20} | {line}")
    while follow:
        sys.stdout.flush()
        time.sleep(FOLLOW_SECONDS)
        for name, path in paths.items():
            positions[name] = _print_new(name, path, positions[name])
    return 0


def _print_new(name: str, path: Path, position: int) -> int:
    """Print the whole lines after ``position``. Return the position to go on from."""
    if not path.exists():
        return 0
    size = path.stat().st_size
    if size <= position:
        return size  # shorter than before: it was rotated, go on with the new one
    with path.open("rb") as log:
        log.seek(position)
        text = log.read(1_000_000)
    whole = text.rpartition(b"\n")[0]
    for line in whole.decode("utf-8", "replace").splitlines():
        print(f"{name:<20} | {line}")
    return position + len(whole) + (1 if whole else 0)


if __name__ == "__main__":
    sys.exit(main())
