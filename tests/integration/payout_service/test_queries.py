"""Reads for answers, on PostgreSQL."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.chain.quantities import BlockNumber, Wei
from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayeeRules
from payout_service.application.ports.reads import AttemptView
from payout_service.application.ports.unit_of_work import UnitOfWorkFactory
from payout_service.domain.fees import Fees
from payout_service.domain.payments import BatchState, FailureReason, PaymentOutcome, PaymentState
from payout_service.domain.transaction import Attempt, Outcome
from payout_service.domain.waits import Wait, WaitFor
from payout_service.infrastructure.sql import reads
from payout_service.infrastructure.sql.reads import SqlPayoutReads
from tests.integration.payout_service.rows import (
    HUGE,
    LATER,
    add_contract,
    add_payout,
    batch_of,
    batched,
    executing,
    frozen_payout,
    holder,
    new_address,
    new_discrepancy,
    new_intent,
    new_sweep,
    postgres,
    signed,
)
from tests.support.payout.memory_database import START
from tests.support.payout.outcomes import paid_outcome


@pytest.fixture
def unit_of_work(engine: AsyncEngine) -> UnitOfWorkFactory:
    """Only PostgreSQL."""
    return postgres(engine)


async def test_a_batch_is_shown_with_every_attempt(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> None:
    payout_id, signer = await executing(unit_of_work), new_address()
    intent = new_intent(signer)
    async with unit_of_work() as work:
        payees = await work.batches.unbatched(payout_id, 2)
        await work.batches.add_batch(payout_id, batch_of(1, payees, intent.key), payees)
        await work.journal.add(intent)
        await work.journal.note_problem(intent.intent_id, Wait(WaitFor.FEE_CAP_REACHED, "so much"))
        await work.commit()
    await batched(unit_of_work, payout_id, 2, 1)
    read = SqlPayoutReads(engine)
    planned, second = await read.batches(payout_id, after=0, limit=9)
    assert (planned.state, planned.transaction_hash, planned.attempts) == (BatchState.PLANNED, "", ())
    assert (planned.problem, planned.signer, planned.nonce) == ("FEE_CAP_REACHED: so much", signer.value, None)
    assert (second.number, second.problem) == (2, "")
    signed(intent, 4).mark_broadcast(1, None, LATER)
    intent.replace_with(
        Attempt(
            2,
            b"\x02",
            f"0x{uuid4().hex}",
            Fees(max_fee_per_gas_wei=Wei(HUGE), max_priority_fee_per_gas_wei=None),
            LATER,
            is_no_op=True,
        )
    )
    first, newest = intent.attempts
    async with unit_of_work() as work:
        await work.journal.save(intent)
        await work.commit()
    (sent,) = await read.batches(payout_id, after=0, limit=1)
    assert (sent.state, sent.nonce, sent.gas_limit) == (BatchState.IN_FLIGHT, 4, 50_000)
    assert sent.transaction_hash == newest.transaction_hash
    assert sent.attempts == (
        AttemptView(first.transaction_hash, Wei(HUGE), False, START, LATER),
        AttemptView(newest.transaction_hash, Wei(HUGE), True, LATER, None),
    )
    intent.conclude(True, Outcome(first.transaction_hash, BlockNumber(7), "0xb", 40_000, None))
    async with unit_of_work() as work:
        await work.journal.save(intent)
        outcomes = [paid_outcome(each.holder, each.amount_base_units) for each in payees]
        await work.batches.settle_batch(payout_id, 1, BatchState.SETTLED, outcomes, first.transaction_hash, LATER)
        await work.commit()
    (settled,) = await read.batches(payout_id, after=0, limit=1)
    assert (settled.state, settled.transaction_hash) == (BatchState.SETTLED, first.transaction_hash)
    assert (settled.gas_used, settled.block_number, settled.update_time) == (40_000, 7, LATER)
    assert [each.number for each in await read.batches(payout_id, after=1, limit=9)] == [2]


async def test_payments_are_exported_page_by_page_from_any_row(
    engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "_EXPORT_PAGE_ROWS", 2)
    payout_id = await executing(unit_of_work, range(1, 6))
    async with unit_of_work() as work:
        payees = await work.batches.unbatched(payout_id, 2)
        reason = FailureReason.TRANSFER_REFUSED
        held = PaymentOutcome(payees[0].holder, PaymentState.WAITING, reason, "frozen", retry_time=LATER)
        await work.unsent.hold_back(payout_id, [held], LATER)
        await work.commit()
    read = SqlPayoutReads(engine)
    pages = [list(page) async for page in read.export_payments(payout_id, after=0, last=5)]
    assert [[row.ordinal for row in page] for page in pages] == [[0, 1], [2, 3], [4]]
    waiting = pages[0][0]
    assert (waiting.state, waiting.reason, waiting.detail) == (PaymentState.WAITING, reason.value, "frozen")
    assert (waiting.tries, waiting.retry_time, waiting.update_time) == (1, LATER, LATER)
    rows = [row async for page in read.export_payments(payout_id, after=3, last=5) for row in page]
    assert rows == [*pages[1][1:], *pages[2]], "goes on behind row 3"
    upto = [[row.ordinal for row in page] async for page in read.export_payments(payout_id, after=1, last=4)]
    assert upto == [[1, 2], [3]], "not beyond row 4: a round that is not frozen is left out"
    assert await read.payments(payout_id, after=0, limit=9) == [row for page in pages for row in page]


async def test_payments_tell_what_is_withheld_and_what_stays(
    engine: AsyncEngine, unit_of_work: UnitOfWorkFactory
) -> None:
    rules = PayeeRules(
        excluded=frozenset({holder(1)}), withholding_by_holder={holder(0): 2_500}, minimum_base_units=200
    )
    payout_id = await frozen_payout(unit_of_work, (5, 4, 1), rules=rules)
    withheld, excluded, deferred = await SqlPayoutReads(engine).payments(payout_id, after=0, limit=9)
    assert (withheld.gross_base_units, withheld.withheld_base_units, withheld.amount_base_units) == (500, 125, 375)
    assert (withheld.withholding_basis_points, withheld.state) == (2_500, PaymentState.PLANNED)
    assert (excluded.gross_base_units, excluded.excluded_base_units, excluded.amount_base_units) == (400, 400, 0)
    assert excluded.state is PaymentState.EXCLUDED
    assert (deferred.gross_base_units, deferred.amount_base_units) == (100, 100)
    assert (deferred.state, deferred.round_number) == (PaymentState.DEFERRED, 1)


async def test_sweeps_come_oldest_first_by_asset(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> None:
    asset_id = (await add_contract(unit_of_work)).asset_id
    sweeps = [new_sweep(asset_id) for _ in range(3)]
    async with unit_of_work() as work:
        for sweep in sweeps:
            await work.sweeps.add(sweep)
        await work.commit()
    read = SqlPayoutReads(engine)
    assert await read.sweep(sweeps[1].sweep_id, "name") == sweeps[1]
    with pytest.raises(AppError) as refused:
        await read.sweep(uuid4(), "name")
    assert refused.value.reason is Reason.SWEEP_NOT_FOUND
    page = await read.sweeps(asset_id, after=0, limit=2)
    assert [sweep for _, sweep in page] == sweeps[:2]
    assert [sweep for _, sweep in await read.sweeps(asset_id, after=page[-1][0], limit=2)] == sweeps[2:]
    assert (await read.sweeps(None, after=page[0][0], limit=1)) == page[1:]


async def test_discrepancies_come_oldest_first(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> None:
    payout = await add_payout(unit_of_work)
    found = [new_discrepancy(payout.asset_id, payout.payout_id) for _ in range(3)]
    of_asset = new_discrepancy(payout.asset_id, None)
    async with unit_of_work() as work:
        for each in (*found, of_asset):
            assert await work.discrepancies.add(each)
        await work.discrepancies.resolve(found[1].discrepancy_id, LATER)
        await work.commit()
    read = SqlPayoutReads(engine)

    async def page(payout_id: UUID | None, include_resolved: bool, after: int, limit: int) -> list[object]:
        rows = await read.discrepancies(payout_id, include_resolved=include_resolved, after=after, limit=limit)
        return [each for _, each in rows]

    assert await page(payout.payout_id, False, 0, 9) == [found[0], found[2]]
    with_resolved = [found[0], replace(found[1], resolve_time=LATER), found[2]]
    assert await page(payout.payout_id, True, 0, 9) == with_resolved
    assert await page(payout.payout_id, True, 0, 2) == with_resolved[:2]
    ((position, _),) = await read.discrepancies(payout.payout_id, include_resolved=True, after=0, limit=1)
    assert (await page(None, True, position, 3)) == [*with_resolved[1:], of_asset]
