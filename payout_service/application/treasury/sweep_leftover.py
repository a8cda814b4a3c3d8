"""Sends left-over money to a treasurer: sets it aside under the treasury's lock, then sends a transaction."""

from dataclasses import dataclass
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id
from payout_service.application.engine import Engine, what_it_waits_for
from payout_service.application.sending.chain_identity import refuse_wrong_chain
from payout_service.application.sending.journaled_intents import is_lost_and_accounted
from payout_service.application.treasury.available_money import look_at_balance
from payout_service.application.treasury.treasury import known_contract
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.sweep import Sweep, SweepState
from payout_service.domain.transaction import IntentState, Purpose, TransactionIntent
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import told

# Looks at a treasury whose commitments keep changing, before the caller has to try again.
_MOST_LOOKS = 5
_FAILURES = {
    IntentState.REVERTED: FailedBecause.TRANSACTION_REVERTED,
    IntentState.VOIDED: FailedBecause.TRANSACTION_VOIDED,
    IntentState.NONCE_LOST: FailedBecause.TRANSACTION_NONCE_LOST,
}


@dataclass(frozen=True, slots=True)
class SweepLeftoverCommand:
    """The command to sweep. If `amount_base_units` is None, all that is available is swept."""

    key: RequestKey
    asset_id: UUID
    to: EvmAddress
    amount_base_units: BaseUnits | None


async def sweep_leftover(engine: Engine, command: SweepLeftoverCommand) -> Sweep:
    """Sets the amount aside and journals the transaction, in one commit.

    Raises AppError ASSET_NOT_YET_KNOWN, TRANSFERER_ROLE_MISSING, INSUFFICIENT_FUNDS, REQUEST_ID_REUSED,
    CHAIN_UNAVAILABLE; WrongChainError.
    """
    repeated = await _repeated(engine, command.key)
    if repeated:
        return repeated
    contract = await known_contract(engine, command.asset_id)
    await refuse_wrong_chain(engine, engine.signer)
    if contract.address is None or not await engine.lifecycle_contract.holds_transferer_role(
        contract.address, engine.signer
    ):
        raise AppError(
            Reason.TRANSFERER_ROLE_MISSING,
            f"the signer {engine.signer} lacks TRANSFERER_ROLE on the lifecycle contract {contract.address}; its "
            "DEFAULT_ADMIN can grant it",
            field="asset",
        )
    for _ in range(_MOST_LOOKS):
        sweep = await _set_aside(engine, command, contract)
        if sweep:
            engine.nudge()
            await engine.failpoints.reach("sweep.stored")
            return sweep
    raise AppError(Reason.CHAIN_UNAVAILABLE, "the treasury keeps changing; try again")


async def advance_one_sweep(engine: Engine) -> bool:
    """Claims a sweep that is due and looks for its outcome. Returns False when none is due."""
    async with engine.unit_of_work() as work:
        sweep_id = await work.sweeps.claim_due(engine.now(), engine.after(engine.settings.lease_seconds))
        await work.commit()
    if sweep_id is None:
        return False
    async with engine.unit_of_work() as work:
        sweep = await work.sweeps.lock(sweep_id)
        contract = await work.lifecycle.get(sweep.asset_id)
        intent = await work.journal.find(sweep.intent_key)
        if contract is None or intent is None:
            raise RuntimeError(f"sweep {sweep_id} lost its asset or its intent")
        is_lost = intent.state is IntentState.NONCE_LOST
        is_decided = await is_lost_and_accounted(work.journal, intent) if is_lost else intent.is_final
        if sweep.state is SweepState.SENDING and is_decided:
            _conclude(engine, sweep, intent)
            key = treasury_key(contract)
            await work.treasury.lock(key)
            await work.treasury.reduce(key, sweep.sweep_id, sweep.amount_base_units)
            if intent.outcome:
                await work.treasury.raise_settled_block(key, intent.outcome.block_number)
        else:
            sweep.wait_for(what_it_waits_for(engine, intent))
        await work.sweeps.save(sweep)
        await work.sweeps.schedule(sweep_id, engine.after(engine.settings.poll_seconds))
        if sweep.state is not SweepState.SENDING:
            await engine.failpoints.reach("sweep.before_settle_commit")
        await work.commit()
    return True


def _conclude(engine: Engine, sweep: Sweep, intent: TransactionIntent) -> None:
    transaction_hash = intent.outcome.transaction_hash if intent.outcome else ""
    if intent.state is IntentState.SUCCEEDED:
        sweep.succeed(transaction_hash, engine.now())
    else:
        reason = Failure(_FAILURES[intent.state], told(intent.void_reason or intent.problem))
        sweep.fail(reason, transaction_hash, engine.now())


async def _set_aside(engine: Engine, command: SweepLeftoverCommand, contract: LifecycleContract) -> Sweep | None:
    """Sets the amount aside.

    Returns None when commitments changed since the balance was read, which may then be outdated.
    """
    key = treasury_key(contract)
    look = await look_at_balance(engine, key)
    async with engine.unit_of_work() as work:
        if await work.treasury.lock(key) != look.version:
            return None
        available = BaseUnits(max(0, look.balance_base_units - await work.treasury.committed(key)))
        amount = available if command.amount_base_units is None else command.amount_base_units
        if amount > available or amount == 0:
            raise AppError(
                Reason.INSUFFICIENT_FUNDS,
                f"{available} base units are promised to nobody in {key.lifecycle_contract}",
                field="amount_base_units",
                metadata={"available_base_units": str(available)},
            )
        sweep = Sweep(engine.ids.new(), command.asset_id, command.to, amount, engine.now(), engine.now())
        if await work.add_request(command.key, sweep.sweep_id):
            await work.sweeps.add(sweep)
            await work.treasury.commit(key, sweep.sweep_id, amount)
            await work.journal.add(_intent(engine, sweep, key.lifecycle_contract))
            await engine.failpoints.reach("sweep.before_store_commit")
            await work.commit()
            return sweep
    repeated = await _repeated(engine, command.key)
    if repeated is None:
        raise LookupError(f"request {command.key.request_id} is recorded and cannot be read")
    return repeated


async def _repeated(engine: Engine, key: RequestKey) -> Sweep | None:
    async with engine.unit_of_work() as work:
        logged = await work.find_request(key.request_id)
        return await work.sweeps.get(repeated_resource_id(key, logged)) if logged else None


def _intent(engine: Engine, sweep: Sweep, contract: EvmAddress) -> TransactionIntent:
    return engine.new_intent(
        Purpose.SWEEP,
        sweep.sweep_id,
        sweep.intent_key,
        engine.lifecycle_contract.sweep(contract, sweep.to, sweep.amount_base_units),
    )
