"""The journal in PostgreSQL: intents, attempts, nonce lanes."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.chain.address import EvmAddress
from payout_service.domain.transaction import (
    IN_FLIGHT_STATES,
    Attempt,
    ContractCall,
    IntentState,
    NonceLane,
    Outcome,
    OwnerKind,
    Purpose,
    TransactionIntent,
)
from payout_service.infrastructure import tables

_intent = tables.transaction_intent
_attempt = tables.transaction_attempt
_lane = tables.nonce_lane


class SqlJournalRepository:
    """See JournalRepository."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, intent: TransactionIntent) -> bool:
        """See JournalRepository."""
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
        return (await self._connection.execute(statement)).scalar_one_or_none() is not None

    async def find(self, key: str) -> TransactionIntent | None:
        """See JournalRepository."""
        found = await self._load(select(_intent).where(_intent.c.key == key))
        return found[0] if found else None

    async def lock(self, intent_id: UUID) -> TransactionIntent:
        """See JournalRepository."""
        (found,) = await self._load(select(_intent).where(_intent.c.intent_id == intent_id).with_for_update())
        return found

    async def save(self, intent: TransactionIntent) -> None:
        """See JournalRepository."""
        await self._connection.execute(
            update(_intent).where(_intent.c.intent_id == intent.intent_id).values(**_changing_values(intent))
        )
        for attempt in intent.attempts:
            statement = postgresql.insert(_attempt).values(
                intent_id=intent.intent_id,
                number=attempt.number,
                raw=attempt.raw,
                transaction_hash=attempt.transaction_hash,
                max_fee_per_gas_wei=attempt.max_fee_per_gas_wei,
                create_time=attempt.create_time,
                last_broadcast_time=attempt.last_broadcast_time,
            )
            # Bytes that are durable never change.
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[_attempt.c.intent_id, _attempt.c.number],
                    set_={"last_broadcast_time": attempt.last_broadcast_time},
                )
            )

    async def in_flight(self, chain_id: int, signer: EvmAddress) -> list[TransactionIntent]:
        """See JournalRepository."""
        states = sorted(state.value for state in IN_FLIGHT_STATES)
        return await self._load(_of_lane(chain_id, signer, states).order_by(_intent.c.nonce))

    async def created(self, chain_id: int, signer: EvmAddress, limit: int) -> list[TransactionIntent]:
        """See JournalRepository."""
        statement = _of_lane(chain_id, signer, [IntentState.CREATED.value])
        return await self._load(statement.order_by(_intent.c.problem != "", _intent.c.position).limit(limit))

    async def note_problem(self, intent_id: UUID, problem: str) -> None:
        """See JournalRepository."""
        await self._connection.execute(
            update(_intent)
            .where(_intent.c.intent_id == intent_id, _intent.c.state == IntentState.CREATED.value)
            .values(problem=problem)
        )

    async def note_problem_of_created(self, chain_id: int, signer: EvmAddress, problem: str) -> None:
        """See JournalRepository."""
        await self._connection.execute(
            update(_intent)
            .where(
                _intent.c.chain_id == chain_id,
                _intent.c.signer == signer.value,
                _intent.c.state == IntentState.CREATED.value,
                _intent.c.problem != problem,
            )
            .values(problem=problem)
        )

    async def find_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """See JournalRepository."""
        return await self._lane(_lane_of(chain_id, signer))

    async def lock_lane(self, chain_id: int, signer: EvmAddress) -> NonceLane | None:
        """See JournalRepository."""
        return await self._lane(_lane_of(chain_id, signer).with_for_update())

    async def add_lane(self, lane: NonceLane) -> None:
        """See JournalRepository."""
        await self._connection.execute(
            postgresql.insert(_lane)
            .values(
                chain_id=lane.chain_id,
                signer=lane.signer.value,
                genesis_hash=lane.genesis_hash,
                next_nonce=lane.next_nonce,
                halted_because=lane.halted_because,
            )
            .on_conflict_do_nothing()
        )

    async def save_lane(self, lane: NonceLane) -> None:
        """See JournalRepository."""
        await self._connection.execute(
            update(_lane)
            .where(_lane.c.chain_id == lane.chain_id, _lane.c.signer == lane.signer.value)
            .values(next_nonce=lane.next_nonce, halted_because=lane.halted_because)
        )

    async def _lane(self, statement: Select[Any]) -> NonceLane | None:
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return NonceLane(
            row.chain_id, EvmAddress(row.signer), row.genesis_hash, row.next_nonce, row.halted_because
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
                    max_fee_per_gas_wei=row.max_fee_per_gas_wei,
                    create_time=row.create_time,
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
        problem=row.problem,
    )


def _changing_values(intent: TransactionIntent) -> dict[str, object]:
    outcome = intent.outcome
    created = outcome.created_contract if outcome else None
    return {
        "gas_limit": intent.gas_limit,
        "state": intent.state.value,
        "nonce": intent.nonce,
        "problem": intent.problem,
        "outcome_transaction_hash": outcome.transaction_hash if outcome else None,
        "outcome_block_number": outcome.block_number if outcome else None,
        "outcome_block_hash": outcome.block_hash if outcome else None,
        "outcome_gas_used": outcome.gas_used if outcome else None,
        "outcome_created_contract": created.value if created else None,
    }
