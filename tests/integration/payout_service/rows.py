"""Rows that tests put into a database, whichever it is."""

import secrets
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.chain.address import EvmAddress
from libs.clock import SystemClock
from payout_service.application.ports import UnitOfWork, UnitOfWorkFactory
from payout_service.domain.lifecycle import Condition, ConditionKind, LifecycleContract, LifecycleState
from payout_service.domain.payout import Payout, Snapshot
from payout_service.domain.plan import PlanSum, plan_payments
from payout_service.domain.transaction import ContractCall, OwnerKind, Purpose, TransactionIntent
from payout_service.infrastructure import tables
from payout_service.infrastructure.unit_of_work import SqlPayoutUnitOfWork
from tests.support.payout.memory_chain import CHAIN_ID, holder
from tests.support.payout.memory_database import START

HUGE = 2**256 - 1


def postgres(engine: AsyncEngine) -> UnitOfWorkFactory:
    def factory() -> UnitOfWork:
        return SqlPayoutUnitOfWork(engine, tables.shared, SystemClock(), lambda: None)

    return factory


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


async def add_payout(unit_of_work: UnitOfWorkFactory, total: int = 1_000, create_time: datetime = START) -> Payout:
    contract = await add_contract(unit_of_work, new_contract(create_time))
    payout = Payout(uuid4(), contract.asset_id, total, create_time, create_time)
    async with unit_of_work() as work:
        assert await work.payouts.add(payout)
        await work.commit()
    return payout


async def frozen_payout(unit_of_work: UnitOfWorkFactory, balances: tuple[int, ...] = (3, 0, 5, 9)) -> UUID:
    """A payout that waits for funds, its plan stored."""
    payout = await add_payout(unit_of_work)
    supply = sum(balances)
    rows = plan_payments(0, [(holder(number), each) for number, each in enumerate(balances)], 1_000, supply)
    total = PlanSum(1_000, supply)
    for row in rows:
        total.add(row)
    async with unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        locked.begin_snapshot(START)
        locked.begin_planning(Snapshot(1, 10, "0x" + "ab" * 32), len(rows), supply, START)
        locked.planned_count = len(rows)
        await work.payments.add_planned(payout.payout_id, rows, START)
        locked.freeze_plan(total.totals(), new_address(), START)
        await work.payouts.save(locked)
        await work.commit()
    return payout.payout_id


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
