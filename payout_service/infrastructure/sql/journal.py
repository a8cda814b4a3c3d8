"""Stores the journal of transactions in PostgreSQL: intents, attempts, nonce lanes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Text, exists, func, literal, select, union, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from payout_service.domain.endings import read_void_reason
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import (
    FINAL_STATES,
    IN_FLIGHT_STATES,
    Attempt,
    ContractCall,
    ForeignTransaction,
    IntentState,
    NonceLane,
    Outcome,
    OwnerKind,
    Purpose,
    TransactionIntent,
)
from payout_service.domain.waits import Wait, read_wait, told
from payout_service.infrastructure.sql import tables

_intent = tables.transaction_intent
_attempt = tables.transaction_attempt
_lane = tables.nonce_lane
_foreign = tables.foreign_transaction


class SqlJournalRepository:
    """Implements the port `JournalRepository`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, intent: TransactionIntent) -> bool:
        statement = (
            postgresql.insert(_intent)
            .values(
                intent_id=intent.intent_id,
                key=intent.key,
                purpose=intent.purpose.value,
                owner_kind=intent.owner_kind.value,
                owner_id=intent.owner_id,
                chain_id=intent.chain_id,
                signer=intent.signer.value,
                call_to=intent.call.to.value if intent.call.to else None,
                call_data=intent.call.data,
                create_time=intent.create_time,
                **_changing_values(intent),
            )
            .on_conflict_do_nothing(index_elements=[_intent.c.key])
            .returning(_intent.c.intent_id)
        )
        if (await self._connection.execute(statement)).scalar_one_or_none() is None:
            return False
        await self._save_attempts(intent)
        return True

    async def find(self, key: str) -> TransactionIntent | None:
        found = await self._load(select(_intent).where(_intent.c.key == key))
        return found[0] if found else None

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        (found,) = await self._load(
            select(_intent).where(_intent.c.intent_id == intent_id).with_for_update(key_share=True)
        )
        return found

    async def save(self, intent: TransactionIntent) -> None:
        await self._connection.execute(
            update(_intent).where(_intent.c.intent_id == intent.intent_id).values(**_changing_values(intent))
        )
        await self._save_attempts(intent)

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        states = sorted(state.value for state in IN_FLIGHT_STATES)
        return await self._load(_of_lane(chain_id, signer, states).order_by(_intent.c.nonce))

    async def created(self, chain_id: int, signer: EvmAddress, *, limit: int) -> list[TransactionIntent]:
        statement = _of_lane(chain_id, signer, [IntentState.CREATED.value])
        return await self._load(statement.order_by(_intent.c.problem != "", _intent.c.position).limit(limit))

    async def next_final(
        self, chain_id: int, signer: EvmAddress, from_nonce: Nonce, *, limit: int
    ) -> list[TransactionIntent]:
        states = sorted(state.value for state in FINAL_STATES)
        statement = _of_lane(chain_id, signer, states).where(_intent.c.nonce >= from_nonce)
        return await self._load(statement.order_by(_intent.c.nonce).limit(limit))

    async def lost(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        is_accounted_for = exists().where(
            _foreign.c.chain_id == _intent.c.chain_id,
            _foreign.c.signer == _intent.c.signer,
            _foreign.c.nonce == _intent.c.nonce,
        )
        statement = _of_lane(chain_id, signer, [IntentState.NONCE_LOST.value]).where(~is_accounted_for)
        return await self._load(statement.order_by(_intent.c.nonce))

    async def known_hashes(self, transaction_hashes: Sequence[str]) -> set[str]:
        asked = func.any(literal(list(transaction_hashes), ARRAY(Text)))
        statement = union(
            select(_attempt.c.transaction_hash).where(_attempt.c.transaction_hash == asked),
            select(_intent.c.outcome_transaction_hash).where(_intent.c.outcome_transaction_hash == asked),
            select(_foreign.c.transaction_hash).where(
                _foreign.c.transaction_hash == asked, _foreign.c.payout_id.is_not(None)
            ),
        )
        return set((await self._connection.execute(statement)).scalars())

    async def queued_count(self, chain_id: int, signer: EvmAddress) -> int:
        created = _of_lane(chain_id, signer, [IntentState.CREATED.value])
        statement = created.with_only_columns(func.count())
        return int((await self._connection.execute(statement)).scalar_one())

    async def add_foreign(self, transactions: Sequence[ForeignTransaction]) -> None:
        if transactions:
            await self._connection.execute(
                postgresql.insert(_foreign).on_conflict_do_nothing(),
                [
                    {
                        "chain_id": each.chain_id,
                        "signer": each.signer.value,
                        "nonce": each.nonce,
                        "transaction_hash": each.transaction_hash,
                        "block_number": each.block_number,
                        "call_to": each.to.value if each.to else None,
                        "account": each.account,
                        "payout_id": each.payout_id,
                        "find_time": each.find_time,
                    }
                    for each in transactions
                ],
            )

    async def foreign(self, chain_id: int, signer: EvmAddress, find_time: datetime) -> list[ForeignTransaction]:
        statement = (
            select(_foreign)
            .where(
                _foreign.c.chain_id == chain_id,
                _foreign.c.signer == signer.value,
                _foreign.c.find_time == find_time,
            )
            .order_by(_foreign.c.nonce)
        )
        return [
            ForeignTransaction(
                chain_id=row.chain_id,
                signer=EvmAddress(row.signer),
                nonce=row.nonce,
                transaction_hash=row.transaction_hash,
                block_number=row.block_number,
                to=EvmAddress(row.call_to) if row.call_to else None,
                account=row.account,
                payout_id=row.payout_id,
                find_time=row.find_time,
            )
            for row in await self._connection.execute(statement)
        ]

    async def note_problem(self, intent_id: UUID, problem: Wait) -> None:
        await self._connection.execute(
            update(_intent)
            .where(_intent.c.intent_id == intent_id, _intent.c.state == IntentState.CREATED.value)
            .values(problem=str(problem))
        )

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: Wait) -> None:
        await self._connection.execute(
            update(_intent)
            .where(
                _intent.c.chain_id == chain_id,
                _intent.c.signer == signer.value,
                _intent.c.state == IntentState.CREATED.value,
                _intent.c.problem != str(problem),
            )
            .values(problem=str(problem))
        )

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        return await self._lane(_lane_of(chain_id, signer))

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        return await self._lane(_lane_of(chain_id, signer).with_for_update(key_share=True))

    async def add_lane(self, lane: NonceLane) -> None:
        await self._connection.execute(
            postgresql.insert(_lane)
            .values(
                chain_id=lane.chain_id,
                signer=lane.signer.value,
                genesis_hash=lane.genesis_hash,
                next_nonce=lane.next_nonce,
                halted_because=told(lane.halted_because),
            )
            .on_conflict_do_nothing()
        )

    async def save_lane(self, lane: NonceLane) -> None:
        await self._connection.execute(
            update(_lane)
            .where(_lane.c.chain_id == lane.chain_id, _lane.c.signer == lane.signer.value)
            .values(next_nonce=lane.next_nonce, halted_because=told(lane.halted_because))
        )

    async def _save_attempts(self, intent: TransactionIntent) -> None:
        """Inserts new attempts. Of stored ones only the time they were last sent is updated."""
        if not intent.attempts:
            return
        statement = postgresql.insert(_attempt).values(
            [
                {
                    "intent_id": intent.intent_id,
                    "number": attempt.number,
                    "raw": attempt.raw,
                    "transaction_hash": attempt.transaction_hash,
                    "max_fee_per_gas_wei": attempt.fees.max_fee_per_gas_wei,
                    "max_priority_fee_per_gas_wei": attempt.fees.max_priority_fee_per_gas_wei,
                    "is_no_op": attempt.is_no_op,
                    "create_time": attempt.create_time,
                    "last_broadcast_time": attempt.last_broadcast_time,
                }
                for attempt in intent.attempts
            ]
        )
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[_attempt.c.intent_id, _attempt.c.number],
                set_={"last_broadcast_time": statement.excluded.last_broadcast_time},
            )
        )

    async def _lane(self, statement: Select[Any]) -> NonceLane | None:
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return NonceLane(
            row.chain_id, EvmAddress(row.signer), row.genesis_hash, row.next_nonce, read_wait(row.halted_because)
        )

    async def _load(self, statement: Select[Any]) -> list[TransactionIntent]:
        rows = (await self._connection.execute(statement)).all()
        if not rows:
            return []
        attempts = await self._connection.execute(
            select(_attempt)
            .where(_attempt.c.intent_id.in_([row.intent_id for row in rows]))
            .order_by(_attempt.c.intent_id, _attempt.c.number)
        )
        by_intent: dict[UUID, list[Attempt]] = {row.intent_id: [] for row in rows}
        for row in attempts:
            by_intent[row.intent_id].append(
                Attempt(
                    number=row.number,
                    raw=row.raw,
                    transaction_hash=row.transaction_hash,
                    fees=Fees(
                        max_fee_per_gas_wei=row.max_fee_per_gas_wei,
                        max_priority_fee_per_gas_wei=row.max_priority_fee_per_gas_wei,
                    ),
                    create_time=row.create_time,
                    is_no_op=row.is_no_op,
                    last_broadcast_time=row.last_broadcast_time,
                )
            )
        return [_intent_of(row, by_intent[row.intent_id]) for row in rows]


def _of_lane(chain_id: int, signer: EvmAddress, states: Sequence[str]) -> Select[Any]:
    return select(_intent).where(
        _intent.c.chain_id == chain_id, _intent.c.signer == signer.value, _intent.c.state.in_(states)
    )


def _lane_of(chain_id: int, signer: EvmAddress) -> Select[Any]:
    return select(_lane).where(_lane.c.chain_id == chain_id, _lane.c.signer == signer.value)


def _intent_of(row: Row[Any], attempts: list[Attempt]) -> TransactionIntent:
    outcome = None
    if row.outcome_transaction_hash is not None:
        created = row.outcome_created_contract
        outcome = Outcome(
            transaction_hash=row.outcome_transaction_hash,
            block_number=row.outcome_block_number,
            block_hash=row.outcome_block_hash,
            gas_used=row.outcome_gas_used,
            created_contract=EvmAddress(created) if created else None,
        )
    return TransactionIntent(
        intent_id=row.intent_id,
        key=row.key,
        purpose=Purpose(row.purpose),
        owner_kind=OwnerKind(row.owner_kind),
        owner_id=row.owner_id,
        chain_id=row.chain_id,
        signer=EvmAddress(row.signer),
        call=ContractCall(EvmAddress(row.call_to) if row.call_to else None, row.call_data),
        gas_limit=row.gas_limit,
        create_time=row.create_time,
        state=IntentState(row.state),
        nonce=row.nonce,
        attempts=attempts,
        outcome=outcome,
        problem=read_wait(row.problem),
        void_reason=read_void_reason(row.void_reason),
    )


def _changing_values(intent: TransactionIntent) -> dict[str, object]:
    outcome = intent.outcome
    created = outcome.created_contract if outcome else None
    return {
        "gas_limit": intent.gas_limit,
        "state": intent.state.value,
        "nonce": intent.nonce,
        "problem": told(intent.problem),
        "void_reason": told(intent.void_reason),
        "outcome_transaction_hash": outcome.transaction_hash if outcome else None,
        "outcome_block_number": outcome.block_number if outcome else None,
        "outcome_block_hash": outcome.block_hash if outcome else None,
        "outcome_gas_used": outcome.gas_used if outcome else None,
        "outcome_created_contract": created.value if created else None,
    }
