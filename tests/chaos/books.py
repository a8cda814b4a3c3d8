"""Reads what payout_service has stored, with its role and plain SQL, in one read-only transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from tests.chaos.found import Attempt, Batch, Books, Intent, Payment, Payout

_CONNECT_SECONDS = 10.0
_QUERY_SECONDS = 10.0
_SESSIONS_GONE_SECONDS = 60.0
_RELAYED_SECONDS = 60.0
_POLL_SECONDS = 0.05
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
# One row a kind of unfinished work; the first column names it.
_UNFINISHED = """
SELECT 'intent ' || key || ' is ' || state || ' ' || problem FROM transaction_intent
    WHERE state NOT IN ('SUCCEEDED', 'VOIDED')
UNION ALL SELECT 'batch ' || number || ' of ' || payout_id || ' is open' FROM batch WHERE settled_state IS NULL
UNION ALL SELECT count(*) || ' payments of ' || payout_id || ' are ' || state FROM payment
    WHERE state NOT IN ('PAID', 'ZERO_DUE', 'CANCELLED') GROUP BY payout_id, state
UNION ALL SELECT 'payout ' || payout_id || ' is ' || state || ' ' || waiting_for FROM payout
    WHERE state NOT IN ('COMPLETED', 'CANCELLED')
UNION ALL SELECT 'sweep ' || sweep_id || ' is ' || state || ' ' || waiting_for FROM sweep
    WHERE state <> 'SUCCEEDED'
UNION ALL SELECT amount_base_units || ' stay committed to ' || owner_id FROM commitment
    WHERE amount_base_units > 0
UNION ALL SELECT 'the contract of ' || asset_id || ' is not as asked: ' || pause_problem FROM lifecycle_contract
    WHERE pause_wanted IS NOT NULL
UNION ALL SELECT 'the lane is halted: ' || halted_because FROM nonce_lane WHERE halted_because <> ''
"""


async def wait_for_sessions_gone(database_url: str) -> None:
    """Until PostgreSQL has ended the killed process's sessions, so that none of its commits is still to come.

    Raises TimeoutError.
    """
    connection = await _connect(database_url)
    try:
        async with asyncio.timeout(_SESSIONS_GONE_SECONDS):
            while await connection.fetchval(_SESSIONS):  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(_POLL_SECONDS)
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Whose:
    """What the books are read of: an asset's contract, a payout (None: there is none yet), a sweep's receiver.

    `earlier_payout_ids` are payouts that the case has made before.
    """

    signer: str
    asset_id: UUID
    payout_id: UUID | None
    sweep_receiver: str = ""
    earlier_payout_ids: tuple[UUID, ...] = ()


async def read_books(database_url: str, whose: Whose) -> Books:
    """What is stored now."""
    connection = await _connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _read(connection, whose)
    finally:
        await connection.close()


async def unfinished_work(database_url: str) -> list[str]:
    """Everything in payout_service's schema that is not final, as sentences."""
    connection = await _connect(database_url)
    try:
        return [str(row[0]) for row in await connection.fetch(_UNFINISHED)]
    finally:
        await connection.close()


async def unpublished_events(database_urls: Mapping[str, str]) -> list[str]:
    """Schemas whose outbox holds events that the relay does not publish within a bound."""
    left: list[str] = []
    for schema, database_url in database_urls.items():
        connection = await _connect(database_url)
        try:
            count = await _unpublished(connection)
        finally:
            await connection.close()
        left.extend([f"{count} events of {schema} are not published"] if count else [])
    return left


async def _unpublished(connection: asyncpg.Connection[Any]) -> int:
    deadline = asyncio.get_running_loop().time() + _RELAYED_SECONDS
    while True:
        count = int(await connection.fetchval("SELECT count(*) FROM outbox WHERE publish_time IS NULL"))
        if not count or asyncio.get_running_loop().time() >= deadline:
            return count
        await asyncio.sleep(_POLL_SECONDS)


async def _connect(database_url: str) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(database_url, timeout=_CONNECT_SECONDS, command_timeout=_QUERY_SECONDS)


async def _read(connection: asyncpg.Connection[Any], whose: Whose) -> Books:
    sweep = await connection.fetchrow("SELECT * FROM sweep WHERE receiver = $1", whose.sweep_receiver)
    owner_id = sweep["sweep_id"] if sweep else whose.payout_id
    payout = await connection.fetchrow("SELECT * FROM payout WHERE payout_id = $1", owner_id)
    owners = [whose.asset_id, owner_id, *whose.earlier_payout_ids]
    attempts = await connection.fetch(
        "SELECT intent_id, transaction_hash, last_broadcast_time FROM transaction_attempt "
        "JOIN transaction_intent USING (intent_id) WHERE owner_id = ANY($1) ORDER BY intent_id, number",
        owners,
    )
    intents = await connection.fetch(
        "SELECT * FROM transaction_intent WHERE owner_id = ANY($1) ORDER BY position", owners
    )
    batches = await connection.fetch("SELECT * FROM batch WHERE payout_id = $1 ORDER BY number", owner_id)
    payments = await connection.fetch("SELECT * FROM payment WHERE payout_id = $1 ORDER BY ordinal", owner_id)
    earlier = await connection.fetch(
        "SELECT * FROM payment WHERE payout_id = ANY($1) ORDER BY payout_id, ordinal", whose.earlier_payout_ids
    )
    events = await connection.fetch(
        "SELECT aggregate_version, event_name FROM outbox WHERE aggregate_id = $1", owner_id
    )
    requests = await connection.fetch("SELECT request_id FROM request_log")
    contract = await connection.fetchrow("SELECT * FROM lifecycle_contract WHERE asset_id = $1", whose.asset_id)
    lane = await connection.fetchrow("SELECT * FROM nonce_lane WHERE signer = $1", whose.signer)
    return Books(
        payout=_payout(payout) if payout else None,
        contract_state=contract["state"] if contract else "",
        next_nonce=lane["next_nonce"] if lane else None,
        intents=tuple(_intent(row, attempts) for row in intents),
        batches=tuple(_batch(row) for row in batches),
        payments=tuple(_payment(row) for row in payments),
        earlier_payments=tuple(_payment(row) for row in earlier),
        committed_base_units=_whole(
            await connection.fetchval("SELECT amount_base_units FROM commitment WHERE owner_id = $1", owner_id)
        ),
        events={row["aggregate_version"]: row["event_name"] for row in events},
        requests=frozenset(str(row["request_id"]) for row in requests),
        sweep_state=sweep["state"] if sweep else None,
        halted_because=lane["halted_because"] if lane else "",
        wants_paused=contract["pause_wanted"] if contract else None,
        pause_intent_key=contract["pause_intent_key"] if contract else "",
    )


def _payout(row: asyncpg.Record) -> Payout:
    return Payout(
        state=row["state"],
        version=row["version"],
        snapshot_id=_whole(row["snapshot_id"]),
        holder_count=row["holder_count"],
        planned_count=row["planned_count"],
        plan_hash=row["plan_hash"],
        payable_base_units=_whole(row["payable_base_units"]),
        rounding_dust_base_units=_whole(row["rounding_dust_base_units"]),
        frozen_share_base_units=_whole(row["frozen_share_base_units"]),
        paid_count=row["paid_count"],
        paid_base_units=int(row["paid_base_units"]),
        round_number=row["round_number"],
        listed_count=row["listed_count"],
    )


def _intent(row: asyncpg.Record, attempts: list[asyncpg.Record]) -> Intent:
    return Intent(
        key=row["key"],
        purpose=row["purpose"],
        state=row["state"],
        nonce=row["nonce"],
        outcome_hash=row["outcome_transaction_hash"],
        attempts=tuple(
            Attempt(each["transaction_hash"], each["last_broadcast_time"] is not None)
            for each in attempts
            if each["intent_id"] == row["intent_id"]
        ),
    )


def _batch(row: asyncpg.Record) -> Batch:
    return Batch(
        number=row["number"],
        holder_count=row["holder_count"],
        amount_base_units=int(row["amount_base_units"]),
        intent_key=row["intent_key"],
        settled_state=row["settled_state"],
    )


def _payment(row: asyncpg.Record) -> Payment:
    return Payment(
        holder=row["holder"],
        amount_base_units=int(row["amount_base_units"]),
        state=row["state"],
        batch_number=row["batch_number"],
        transaction_hash=row["transaction_hash"],
        round_number=row["round_number"],
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
