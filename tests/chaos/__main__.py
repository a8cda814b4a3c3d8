"""`python -m tests.chaos [case ...]` (or --only case): exit status 0 only when nothing differs.

A case is named by its failpoint, which means all its cases, or by failpoint/scenario, as the table shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.devnet.terms import DEFAULT_VERSION, AssetVersion
from deploy.local.errors import StackError
from tests.chaos.cases import CASES, Case, table_differences
from tests.chaos.run import LOGS, Verdict, run_cases

_WIDTH_WITHOUT_TERMINAL = 180
_SHOWN_DIFFERENCES = 6


def main() -> int:
    """The process's exit status."""
    arguments = _parse()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)
    only = [*arguments.cases, *arguments.only]
    cases = [case for case in CASES if not only or {case.failpoint, case.name}.intersection(only)]
    unknown = sorted(set(only) - {name for case in CASES for name in (case.failpoint, case.name)})
    if unknown:
        console.print(f"no case for {', '.join(unknown)}", style="bold red")
        return 1
    began = time.monotonic()
    try:
        verdicts = asyncio.run(_run(cases, arguments, console))
    except ExceptionGroup as group:
        not_started, others = group.split(StackError)
        if others or not_started is None:
            raise
        console.print(f"error: {not_started.exceptions[0]}", style="bold red", markup=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted: everything that was started has been stopped")
        return 130
    gaps = table_differences()
    _print(verdicts, gaps, console)
    good = sum(verdict.is_good for verdict in verdicts)
    seconds = time.monotonic() - began
    summary = f"{good} of {len(verdicts)} cases as they should be, {len(gaps)} gaps in the table, {seconds:.0f} s"
    is_good = good == len(verdicts) and not gaps
    if any(verdict.recovery_seconds is None for verdict in verdicts):
        console.print(f"Logs of stacks that did not come to rest: {LOGS}")
    console.print(summary, style="bold green" if is_good else "bold red")
    return 0 if is_good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("cases", nargs="*", help="cases to run; all when none is named")
    parser.add_argument("--only", action="append", default=[], metavar="case", help="the same, for make")
    parser.add_argument("--holders", type=int, default=30, help="holders of each asset")
    parser.add_argument("--stacks", type=int, default=2, help="stacks that share the cases")
    versions = [version.value for version in AssetVersion]
    parser.add_argument(
        "--version", type=int, choices=versions, default=DEFAULT_VERSION.value, help="of the assets"
    )
    return parser.parse_args()


async def _run(cases: Sequence[Case], arguments: argparse.Namespace, console: Console) -> list[Verdict]:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    done = 0

    def report(verdict: Verdict) -> None:
        nonlocal done
        done += 1
        console.print(f"{done:>3}/{len(cases)} {verdict.case.name:<40} {_word(verdict)}", style="dim")

    version = AssetVersion(arguments.version)
    console.print(
        f"{len(cases)} cases, {arguments.holders} holders each, assets of version {version.value}, "
        f"on {arguments.stacks} stacks"
    )
    return await run_cases(
        cases,
        stack_count=arguments.stacks,
        holder_count=arguments.holders,
        version=version,
        report=report,
    )


def _print(verdicts: Sequence[Verdict], gaps: Sequence[str], console: Console) -> None:
    table = Table("failpoint/scenario", "state found at the kill", "recovered in s", "verdict", show_lines=True)
    for verdict in verdicts:
        seconds = "" if verdict.recovery_seconds is None else f"{verdict.recovery_seconds:.1f}"
        name = verdict.case.name + (f" (reach {verdict.case.nth})" if verdict.case.nth > 1 else "")
        table.add_row(name, escape(verdict.state), seconds, escape(_in_full(verdict)), style=_style(verdict))
    console.print(table)
    for gap in gaps:
        console.print(f"DIFFERENCE: {gap}", style="bold red")


def _word(verdict: Verdict) -> str:
    return "ok" if verdict.is_good else "DIFFERENCE"


def _style(verdict: Verdict) -> str:
    return "" if verdict.is_good else "red"


def _in_full(verdict: Verdict) -> str:
    hidden = len(verdict.differences) - _SHOWN_DIFFERENCES
    return "\n".join(
        [
            _word(verdict),
            *verdict.differences[:_SHOWN_DIFFERENCES],
            *([f"and {hidden} more"] if hidden > 0 else []),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
