"""Runs cases: kill, look, restart, wait, look again. Several stacks share the cases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from web3.exceptions import ContractLogicError

from deploy.devnet.deployer import DevnetError
from deploy.devnet.terms import AssetVersion
from deploy.local.errors import StackError
from deploy.local.settings import REPOSITORY
from libs.errors import AppError
from tests.chaos import checks
from tests.chaos.books import read_books, unfinished_work, unpublished_events, wait_for_sessions_gone
from tests.chaos.cases import Case
from tests.chaos.final import at_the_end
from tests.chaos.found import Before, Found
from tests.chaos.scenarios import Job
from tests.chaos.world import World, open_world

# Each case pays another total, so that what one left over cannot be mistaken for what another pays.
_TOTAL = 1_000_000_007
_TOTAL_STEP = 1_000_003
# The process that is to be killed sends nothing twice: a slow machine would reach the place with the same batch.
_ONCE = {"PAYOUT_SERVICE_REBROADCAST_SECONDS": "120"}
# More stacks that did not come back to rest are not worth waiting for.
_MOST_BROKEN_WORLDS = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a case. `recovery_seconds`: from the restart until all was done; None when that never was."""

    case: Case
    state: str
    recovery_seconds: float | None
    differences: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """True when nothing differs."""
        return not self.differences


# Where the services' logs of a stack that did not come to rest are kept.
LOGS = REPOSITORY / ".run" / "chaos"
Report = Callable[[Verdict], None]


class BrokenWorldError(Exception):
    """The stack did not come to rest: what would run on it next would not be at fault."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.case.name)
        self.verdict = verdict


async def run_cases(
    cases: Sequence[Case], *, stack_count: int, holder_count: int, version: AssetVersion, report: Report
) -> list[Verdict]:
    """Every case's verdict on assets of a version, in the order of the cases; each is reported as it comes."""
    queue: asyncio.Queue[tuple[int, Case]] = asyncio.Queue()
    for item in enumerate(cases):
        queue.put_nowait(item)
    verdicts: dict[int, Verdict] = {}

    async def work() -> None:
        for _ in range(_MOST_BROKEN_WORLDS):
            if queue.empty():
                return
            async with open_world(holder_count, version) as world:
                try:
                    await _run_on(world, queue, verdicts, report)
                except BrokenWorldError as broken:
                    await asyncio.to_thread(world.keep_logs, LOGS / broken.verdict.case.name)
                    report(broken.verdict)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(stack_count, len(cases))):
            group.create_task(work())
    missing = [
        Verdict(case, "", None, ("not run: too many stacks did not come to rest",))
        for number, case in enumerate(cases)
        if number not in verdicts
    ]
    return [verdicts[number] for number in sorted(verdicts)] + missing


async def _run_on(
    world: World, queue: asyncio.Queue[tuple[int, Case]], verdicts: dict[int, Verdict], report: Report
) -> None:
    while not queue.empty():
        number, case = queue.get_nowait()
        total = _TOTAL + number * _TOTAL_STEP
        try:
            verdicts[number] = await run_case(world, case, total)
        except BrokenWorldError as broken:
            verdicts[number] = broken.verdict
            raise
        report(verdicts[number])


async def run_case(world: World, case: Case, total_base_units: int) -> Verdict:
    """One case. Raises BrokenWorldError when the stack is not at rest afterwards."""
    state, differences = "", list[str]()
    try:
        await world.restart_payout_service({**_ONCE, **case.scenario.settings}, _failpoints(world, case))
        job = await case.scenario.begin(world, total_base_units)
        if not await world.is_killed():
            raise AssertionError(f"{case.setting} was never hit")
        await wait_for_sessions_gone(world.database_url)
        found = await _look(world, job, case.nth)
        state = checks.in_words(found)
        differences += [*case.check(found), *checks.always(found)]
        await case.scenario.meanwhile(world, job)
        began = time.monotonic()
        await world.restart_payout_service(case.scenario.settings)
        job = await case.scenario.finish(world, job)
        seconds = time.monotonic() - began
        stuck = await _stuck(world)
        differences += stuck
        ledgers = await case.scenario.ledgers(world, job)
        differences += at_the_end(await _look(world, job, case.nth), ledgers, await world.chain.next_nonce())
    except (AssertionError, AppError, DevnetError, ContractLogicError, StackError, OSError) as error:
        differences.append(f"{type(error).__name__}: {error}")
        differences += await _stuck(world)
        raise BrokenWorldError(Verdict(case, state, None, tuple(differences))) from error
    verdict = Verdict(case, state, seconds, tuple(differences))
    if stuck:
        raise BrokenWorldError(verdict)
    return verdict


def _failpoints(world: World, case: Case) -> str:
    hold = case.scenario.holds_at
    return f"{case.setting},{hold}=hold:{world.marker}" if hold else case.setting


async def _look(world: World, job: Job, nth: int) -> Found:
    books = await read_books(world.database_url, job.whose(world.harness.signer))
    chain = await world.chain.since(
        job.mark, token=job.token, payment_token=job.payment_token, holders=job.owed, contract=job.contract
    )
    return Found(
        before=Before(job.mark.nonce),
        total_base_units=job.total_base_units,
        owed={holder.lower(): amount for holder, amount in job.owed.items()},
        books=books,
        chain=chain,
        nth=nth,
        snapshots_due=job.snapshots_due,
        request_id=job.request_id,
        foreign=job.foreign,
        is_given_up=job.is_given_up,
        payout_count=1 + len(job.earlier),
        minimum_base_units=job.minimum_base_units,
        bond=job.bond,
        pauses_due=job.pauses_due,
    )


async def _stuck(world: World) -> list[str]:
    return [
        *await unfinished_work(world.database_url),
        *await unpublished_events(world.stack.endpoints.database_urls),
    ]
