"""What operators do and see: pause, resume, cancel, sweep, export, and differences between ledger and chain."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import nats
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from nats.aio.msg import Msg

from libs.client.client import progress_of
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import (
    Batch,
    BatchState,
    CancelPayoutRequest,
    Discrepancy,
    DiscrepancyFound,
    GetSweepRequest,
    GetTreasuryRequest,
    ListDiscrepanciesRequest,
    PausePayoutRequest,
    Payment,
    PaymentState,
    PayoutState,
    ReconcilePayoutRequest,
    ResumePayoutRequest,
    SweepLeftoverRequest,
    SweepState,
)
from tests.system.harness import ONE_OF_FIVE_AT_A_TIME, WAIT_SECONDS, Harness, Stage, eventually, told
from tests.system.mining import Ticker, pay_first_batch

_TOTAL = 1_000_000_007
_HOLDERS = 30
_OUTSIDER = to_checksum_address("0x" + "0e" * 20)
_TREASURER = to_checksum_address("0x" + "7f" * 20)
_ENDED = frozenset({BatchState.SETTLED, BatchState.VOIDED})


async def test_pause_resume_and_cancel_leave_nothing_half(faulty: Harness, ticker: Ticker) -> None:
    await faulty.run_payout_service(ONE_OF_FIVE_AT_A_TIME)
    payouts = faulty.client.payouts
    stage, distribution = await faulty.unfunded(_TOTAL, _HOLDERS)
    name = distribution.payout
    # The chain stands still until the payout is paused, so that it is paused in its midst.
    await pay_first_batch(faulty, ticker, stage, name, _TOTAL)
    await faulty.call(payouts.pause_payout, PausePayoutRequest(request_id=str(uuid4()), name=name))
    ticker.resume()
    await _all_settled(faulty, name)
    paused = await faulty.payout(name)
    assert (paused.state, paused.paused_from) == (PayoutState.PAUSED, PayoutState.EXECUTING)
    await faulty.in_state(distribution.name, DistributionState.PAUSED)
    nonce = await faulty.signer_nonce()
    await faulty.blocks_pass()
    assert await faulty.signer_nonce() == nonce
    before, after = progress_of(paused), progress_of(await faulty.payout(name))
    assert after.paid_count == before.paid_count < _HOLDERS - before.zero_due_count

    # The next batch is sent, and not mined, when it is cancelled: a no-op takes its place.
    ticker.pause()
    await faulty.call(payouts.resume_payout, ResumePayoutRequest(request_id=str(uuid4()), name=name))
    await _newest_batch_sent(faulty, name, attempts=1)
    await faulty.call(payouts.cancel_payout, CancelPayoutRequest(request_id=str(uuid4()), name=name))
    batch = await _newest_batch_sent(faulty, name, attempts=2)
    assert [attempt.no_op for attempt in batch.attempts] == [False, True]
    assert (await faulty.payout(name)).state is PayoutState.CANCELLING
    ticker.resume()
    await faulty.in_state(distribution.name, DistributionState.CANCELLED)

    batches = await faulty.batches(name)
    assert batches[-1].state is BatchState.VOIDED
    assert {each.state for each in batches[:-1]} <= _ENDED
    assert await faulty.signer_nonce() == nonce + 1
    paid_base_units = await _assert_paid_or_cancelled(faulty, stage, name)
    await _assert_all_is_free_and_sweep(faulty, stage, distribution.asset, _TOTAL - paid_base_units)
    await _assert_export_is_the_list(faulty, name)


async def test_a_tampered_ledger_and_an_outside_transfer_are_found_and_published(faulty: Harness) -> None:
    await faulty.run_payout_service({"RECONCILE_SECONDS": "2"})
    stage, distribution = await faulty.unfunded(_TOTAL, 8)
    await faulty.deposit(stage, _TOTAL)
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    name = distribution.payout
    looked = await faulty.call(faulty.client.payouts.reconcile_payout, ReconcilePayoutRequest(name=name))
    assert looked.discrepancies == []
    assert looked.payment_count == 8
    assert await _discrepancies(faulty, distribution.asset) == []

    async with _published(faulty) as published:
        victim = max(stage.holders, key=lambda holder: stage.holders[holder])
        await _change_amount(faulty, name, victim, by_base_units=1)
        extra = 1_000
        await faulty.deposit(stage, extra)
        await faulty.devnet.transfer(stage.payment_token, stage.contract, _OUTSIDER, extra)
        expected = {
            ("PLAN_CHANGED", name, ""),
            ("LEDGER_DIFFERS", name, ""),
            ("PAYMENT_WITHOUT_EVIDENCE", name, victim.lower()),
        }
        found: dict[tuple[str, str, str], Discrepancy] = {}

        # Nobody asks for it: it is looked for every two seconds.
        async def all_are_found() -> bool:
            found.clear()
            found.update({_key(each): each for each in await _discrepancies(faulty, distribution.asset)})
            return len(found) == len(expected) + 1

        await eventually(all_are_found, "all differences are found", lambda: found)
        (outside,) = found.keys() - expected
        assert found.keys() == expected | {outside}
        assert outside[:2] == ("OUTSIDE_TRANSFER", "")
        assert f"{extra} base units to {_OUTSIDER.lower()}" in found[outside].actual
        assert found[outside].transaction_hash == outside[2]

        async def all_are_published() -> bool:
            told_of = {_key(each) for each in published if each.asset == distribution.asset}
            return told_of == found.keys()

        await eventually(all_are_published, "all differences are published", lambda: published)

    # Nothing was mended. Put right, the ledger agrees again; the outside transfer is a fact.
    await _change_amount(faulty, name, victim, by_base_units=-1)
    looked = await faulty.call(faulty.client.payouts.reconcile_payout, ReconcilePayoutRequest(name=name))
    assert [_key(each) for each in looked.discrepancies] == [outside]
    await faulty.assert_paid_once(stage, name, _TOTAL)


async def _all_settled(harness: Harness, payout: str) -> None:
    """Waits until what had left is final."""
    found: list[Batch] = []

    async def is_so() -> bool:
        found[:] = await harness.batches(payout)
        return {batch.state for batch in found} <= _ENDED

    await eventually(is_so, "what had left is settled", lambda: found)


async def _newest_batch_sent(harness: Harness, payout: str, attempts: int) -> Batch:
    """The newest batch, once it was signed so often and sent, and is not final."""
    found: list[Batch] = []

    async def is_sent() -> bool:
        found[:] = await harness.batches(payout)
        newest = found[-1]
        is_open = newest.state is BatchState.IN_FLIGHT and len(newest.attempts) == attempts
        return is_open and newest.attempts[-1].last_broadcast_time is not None

    await eventually(is_sent, f"the newest batch is signed {attempts} times and sent", lambda: found)
    return found[-1]


async def _assert_paid_or_cancelled(harness: Harness, stage: Stage, name: str) -> int:
    """Every holder has all that he is due or nothing, as the ledger says. Returns what was paid, base units."""
    due = stage.due(_TOTAL)
    payments = {told(payment)[0]: told(payment)[1:] for payment in await harness.payments(name)}
    assert {holder: amount for holder, (amount, _) in payments.items()} == due
    states = {holder: state for holder, (_, state) in payments.items()}
    assert set(states.values()) <= {PaymentState.PAID, PaymentState.CANCELLED, PaymentState.ZERO_DUE}
    paid = {holder: amount for holder, amount in due.items() if states[holder] is PaymentState.PAID}
    cancelled = {holder: amount for holder, amount in due.items() if states[holder] is PaymentState.CANCELLED}
    assert paid
    assert cancelled
    assert await harness.balances(stage) == {holder: paid.get(holder, 0) for holder in due}

    told_by = progress_of(await harness.payout(name))
    assert told_by.paid_amount
    assert told_by.cancelled_amount
    assert (told_by.paid_count, told_by.cancelled_count) == (len(paid), len(cancelled))
    settled_count = told_by.paid_count + told_by.cancelled_count + told_by.zero_due_count
    assert settled_count == told_by.holder_count == len(due)
    assert int(told_by.paid_amount.base_units) == sum(paid.values())
    assert int(told_by.cancelled_amount.base_units) == sum(cancelled.values())
    return sum(paid.values())


async def _assert_all_is_free_and_sweep(harness: Harness, stage: Stage, asset: str, left: int) -> None:
    """Nothing is promised any more; all of it goes to a treasurer."""
    payouts = harness.client.payouts
    treasury = await harness.call(payouts.get_treasury, GetTreasuryRequest(name=f"{asset}/treasury"))
    amounts = [treasury.balance, treasury.committed, treasury.available]
    assert [int(amount.base_units) for amount in amounts if amount] == [left, 0, left]
    request = SweepLeftoverRequest(request_id=str(uuid4()), asset=asset, to=_TREASURER)
    sweep = await harness.call(payouts.sweep_leftover, request)

    async def has_succeeded() -> bool:
        found = await harness.call(payouts.get_sweep, GetSweepRequest(name=sweep.name))
        return found.state is SweepState.SUCCEEDED

    await eventually(has_succeeded, f"{sweep.name} has succeeded")
    assert await harness.balance(stage, _TREASURER) == left
    assert await harness.balance(stage, stage.contract) == 0


async def _assert_export_is_the_list(harness: Harness, payout: str) -> None:
    """The CSV tells what ListPayments tells, and goes on after any row."""
    payments = await harness.payments(payout)
    whole, last_row = await _export(harness, payout)
    rows = list(csv.reader(io.StringIO(whole, newline="")))
    assert [_as_row(number, payment) for number, payment in enumerate(payments, 1)] == [
        row[:8] + row[12:16] for row in rows[1:]
    ]
    assert last_row == len(payments)
    lines = whole.splitlines(keepends=True)
    for row_number in range(1, len(payments)):
        assert await _export(harness, payout, after_row=row_number) == (
            "".join(lines[row_number + 1 :]),
            last_row,
        )


def _as_row(number: int, payment: Payment) -> list[str]:
    """What the CSV says, without rules, but for the decimal amounts, the symbol and the time."""
    holder, amount, state = told(payment)
    name = (state.name or "").removeprefix("STATE_")
    figures = [str(number), "1", holder, payment.balance_base_units, str(amount), "0", str(amount), "0"]
    return [*figures, name, payment.reason, payment.detail, payment.transaction_hash]


async def _export(harness: Harness, payout: str, after_row: int = 0) -> tuple[str, int]:
    """What is streamed after a row, and the number of the last."""
    content, last_row = b"", after_row
    async for piece in harness.client.export_payments(payout, after_row=after_row, timeout_seconds=WAIT_SECONDS):
        content += piece.csv
        last_row = piece.last_row
    return content.decode(), last_row


async def _discrepancies(harness: Harness, asset: str) -> list[Discrepancy]:
    """The open ones of an asset."""
    found: list[Discrepancy] = []
    token = ""
    while True:
        request = ListDiscrepanciesRequest(page_size=1000, page_token=token)
        page = await harness.call(harness.client.payouts.list_discrepancies, request)
        found += [each for each in page.discrepancies if each.asset == asset]
        token = page.next_page_token
        if not token:
            return found


def _key(discrepancy: Discrepancy) -> tuple[str, str, str]:
    return discrepancy.kind, discrepancy.payout, discrepancy.subject


@asynccontextmanager
async def _published(harness: Harness) -> AsyncIterator[list[Discrepancy]]:
    """The discrepancies that are published meanwhile."""
    published: list[Discrepancy] = []

    async def take(message: Msg) -> None:
        discrepancy = DiscrepancyFound.FromString(message.data).discrepancy
        assert discrepancy
        published.append(discrepancy)

    url = harness.stack.endpoints.nats_url
    assert url
    client = await nats.connect(url)
    try:
        await client.subscribe("masspayout.payout.v1.discrepancy_found.*", cb=take)
        await client.flush()
        yield published
    finally:
        await client.close()


async def _change_amount(harness: Harness, payout: str, holder: ChecksumAddress, by_base_units: int) -> None:
    """Tampers with a row of the ledger, with the service's own rights."""
    connection = await asyncpg.connect(harness.stack.endpoints.database_urls["payout"])
    try:
        done = await connection.execute(
            "UPDATE payment SET amount_base_units = amount_base_units + $3 WHERE payout_id = $1 AND holder = $2",
            payout.removeprefix("payouts/"),
            holder.lower(),
            by_base_units,
        )
    finally:
        await connection.close()
    assert done == "UPDATE 1"
