"""Rows that tests put into a database, whichever it is."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, Nonce, SnapshotId, TokenUnits, Wei
from libs.clock import SystemClock
from libs.payout_terms.terms import NO_RULES, PayeeRules, PayoutKind
from payout_service.application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind, Finding
from payout_service.domain.fees import Fees
from payout_service.domain.lifecycle import Condition, ConditionKind, LifecycleContract, LifecycleState
from payout_service.domain.payments import Batch
from payout_service.domain.payout import Payout, Snapshot
from payout_service.domain.plan import PlannedPayment, plan_entitlements
from payout_service.domain.sweep import Sweep
from payout_service.domain.transaction import Attempt, ContractCall, OwnerKind, Purpose, TransactionIntent
from payout_service.infrastructure.sql import tables
from payout_service.infrastructure.sql.unit_of_work import SqlPayoutUnitOfWork
from tests.support.payout.amounts import entitlement, shares
from tests.support.payout.memory_database import START
from tests.support.payout.terms_of import terms_of

HUGE = 2**256 - 1
CHAIN_ID = 298
LATER = START + timedelta(seconds=30)


def postgres(engine: AsyncEngine) -> UnitOfWorkFactory:
    def factory() -> UnitOfWork:
        return SqlPayoutUnitOfWork(engine, tables.shared, SystemClock(), lambda: None)

    return factory


def holder(number: int) -> HolderAddress:
    return HolderAddress(f"0x{number + 1:040x}")


def new_address() -> EvmAddress:
    return EvmAddress("0x" + secrets.token_hex(20))


def new_contract(create_time: datetime = START) -> LifecycleContract:
    return LifecycleContract(
        asset_id=uuid4(),
        chain_id=CHAIN_ID,
        token=new_address(),
        payment_token=new_address(),
        payment_token_symbol="DUSD",
        payment_token_decimals=6,
        create_time=create_time,
        update_time=create_time,
        address=new_address(),
        state=LifecycleState.NOT_READY,
        readiness=(Condition(ConditionKind.PAYOUT_ROLE_HELD, False, "detail", "remedy"),),
        created={"zebra": new_address(), "ant": new_address()},
    )


async def add_contract(
    unit_of_work: UnitOfWorkFactory, contract: LifecycleContract | None = None
) -> LifecycleContract:
    contract = contract or new_contract()
    async with unit_of_work() as work:
        assert await work.lifecycle.add(contract)
        await work.commit()
    return contract


def new_payout(asset_id: UUID) -> Payout:
    """A payout of one base unit."""
    return Payout.request(uuid4(), asset_id, terms_of(total=1), create_time=START, now=START)


async def add_payout(
    unit_of_work: UnitOfWorkFactory,
    total: int = 1_000,
    create_time: datetime = START,
    asset_id: UUID | None = None,
    *,
    kind: PayoutKind = PayoutKind.SNAPSHOT,
    rules: PayeeRules = NO_RULES,
) -> Payout:
    """A payout as it was requested; of action 1 where it pays a corporate action."""
    if asset_id is None:
        asset_id = (await add_contract(unit_of_work, new_contract(create_time))).asset_id
    terms = terms_of(kind, total=total, rules=rules)
    payout = Payout.request(uuid4(), asset_id, terms, create_time=create_time, now=create_time)
    async with unit_of_work() as work:
        assert await work.payouts.add(payout)
        await work.commit()
    return payout


async def frozen_payout(
    unit_of_work: UnitOfWorkFactory,
    balances: Sequence[int] = (3, 0, 5, 9),
    create_time: datetime = START,
    snapshot_id: int = 1,
    *,
    rules: PayeeRules = NO_RULES,
) -> UUID:
    """A payout of 1000 base units that waits for funds, its plan stored."""
    payout = await add_payout(unit_of_work, create_time=create_time, rules=rules)
    held = [(holder(number), each) for number, each in enumerate(balances)]
    rows = shares(0, held, payout.total_base_units, sum(balances), rules)
    await freeze(
        unit_of_work,
        payout.payout_id,
        rows,
        Snapshot(SnapshotId(snapshot_id), BlockNumber(10), "0x" + "ab" * 32),
        sum(balances),
    )
    return payout.payout_id


async def frozen_entitlements(
    unit_of_work: UnitOfWorkFactory,
    kind: PayoutKind,
    amounts: Sequence[int],
    *,
    asset_id: UUID | None = None,
    rules: PayeeRules = NO_RULES,
) -> UUID:
    """A dividend, coupon or redemption of which every holder is owed an amount, being executed."""
    payout = await add_payout(unit_of_work, 0, asset_id=asset_id, kind=kind, rules=rules)
    owed = [entitlement(holder(number), 7, amount) for number, amount in enumerate(amounts)]
    rows = plan_entitlements(0, owed, rules)
    snapshot_id = 1 if kind.is_corporate_action else 0
    await freeze(
        unit_of_work,
        payout.payout_id,
        rows,
        Snapshot(SnapshotId(snapshot_id), BlockNumber(10), "0x" + "ab" * 32),
        7 * len(rows),
    )
    await begin_execution(unit_of_work, payout.payout_id)
    return payout.payout_id


async def freeze(
    unit_of_work: UnitOfWorkFactory,
    payout_id: UUID,
    rows: Sequence[PlannedPayment],
    snapshot: Snapshot,
    total_supply: int,
) -> None:
    """Makes these rows the plan of a payout that was just requested."""
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout_id)
        if locked.kind is not PayoutKind.REDEMPTION:
            locked.begin_snapshot(START)
        locked.begin_planning(snapshot, len(rows), TokenUnits(total_supply), START)
        locked.listed_count = locked.planned_count = len(rows)
        await work.plan_rows.add_planned(payout_id, rows, START)
        total = locked.new_plan_sum()
        for row in rows:
            total.add(row)
        locked.freeze_plan(total.totals(), new_address(), START)
        await work.payouts.save(locked)
        await work.commit()


def new_intent(signer: EvmAddress, key: str = "", data: bytes = b"\x01") -> TransactionIntent:
    return TransactionIntent(
        intent_id=uuid4(),
        key=key or f"test/{uuid4()}",
        purpose=Purpose.BATCH,
        owner_kind=OwnerKind.PAYOUT,
        owner_id=uuid4(),
        chain_id=CHAIN_ID,
        signer=signer,
        call=ContractCall(new_address(), data),
        gas_limit=21_000,
        create_time=START,
    )


def signed(intent: TransactionIntent, nonce: int) -> TransactionIntent:
    attempt = Attempt(
        1,
        bytes([nonce]),
        f"0x{uuid4().hex}",
        Fees(max_fee_per_gas_wei=Wei(HUGE), max_priority_fee_per_gas_wei=Wei(7)),
        START,
    )
    intent.sign(Nonce(nonce), 50_000, attempt)
    return intent


async def executing(unit_of_work: UnitOfWorkFactory, balances: Sequence[int] = (3, 0, 5, 9)) -> UUID:
    """A payout that is being executed; nothing is batched."""
    payout_id = await frozen_payout(unit_of_work, balances)
    await begin_execution(unit_of_work, payout_id)
    return payout_id


async def begin_execution(unit_of_work: UnitOfWorkFactory, payout_id: UUID) -> None:
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout_id)
        locked.begin_execution(LATER)
        await work.payouts.save(locked)
        await work.commit()


async def batched(
    unit_of_work: UnitOfWorkFactory, payout_id: UUID, number: int, limit: int = 2
) -> list[PlannedPayment]:
    """The next payees, put into a batch with a journaled intent."""
    intent = new_intent(new_address())
    async with unit_of_work() as work:
        payees = await work.batches.unbatched(payout_id, limit)
        await work.batches.add_batch(payout_id, batch_of(number, payees, intent.key), payees)
        await work.journal.add(intent)
        await work.commit()
    return payees


def batch_of(number: int, payees: Sequence[PlannedPayment], intent_key: str) -> Batch:
    return Batch(
        number=number,
        holder_count=len(payees),
        amount_base_units=BaseUnits(sum(each.amount_base_units for each in payees)),
        intent_key=intent_key,
        create_time=START,
    )


def new_sweep(asset_id: UUID, create_time: datetime = START) -> Sweep:
    return Sweep(uuid4(), asset_id, new_address(), BaseUnits(HUGE), create_time, create_time)


def new_discrepancy(asset_id: UUID, payout_id: UUID | None, subject: str = "") -> Discrepancy:
    finding = Finding(DiscrepancyKind.OUTSIDE_TRANSFER, subject or f"0x{uuid4().hex}", "nothing", "7", "0xt")
    return Discrepancy(uuid4(), asset_id, payout_id, finding, START, START)
