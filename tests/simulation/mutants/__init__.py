"""Defects put into the engine on purpose, to see that the simulation finds each: `make simulate-mutants`.

A mutant replaces one piece of one module's source when that module is imported, in a process of its own. Files
stay as they are. A piece that is not there exactly once is an error: the mutant has to follow the engine.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """In a module's source each first piece becomes the second."""

    name: str
    module: str
    edits: tuple[tuple[str, str], ...]


_APPLICATION = "payout_service.application."
MUTANTS = (
    Mutant(
        # Bytes are sent, and only then they become durable.
        "send_before_journal",
        _APPLICATION + "sign_transactions",
        (
            (
                "        intent.sign(nonce, gas, attempt)\n",
                "        await engine.rail.broadcast(signed.raw)\n"
                "        intent.sign(nonce, gas, attempt)\n",
            ),
        ),
    ),
    Mutant(
        # A transaction whose fate is not known counts as one that will never be.
        "no_in_flight_check",
        _APPLICATION + "settle_batch",
        (
            (
                "        return intent.state in (IntentState.REVERTED, IntentState.VOIDED)\n",
                "        return intent.state in (IntentState.REVERTED, IntentState.VOIDED, IntentState.UNKNOWN)\n",
            ),
        ),
    ),
    Mutant(
        # An event that comes twice is processed twice.
        "inbox_off",
        _APPLICATION + "request_payout",
        (
            (
                "        if not await work.record_incoming(event):\n"
                "            return\n",
                "",
            ),
        ),
    ),
    Mutant(
        # A receipt is believed before the blocks on top of it have made it final.
        "snapshot_planned_before_final",
        _APPLICATION + "drive_transactions",
        (
            (
                "is_deep_enough = head.number - outcome.block_number >= engine.settings.confirmations",
                "is_deep_enough = intent.purpose == "SNAPSHOT" or head.number - outcome.block_number >= engine.settings.confirmations",
            ),
        ),
    ),
    Mutant(
        # Promises are read before the lock: two payouts may be promised the same money.
        "commitment_without_lock",
        _APPLICATION + "commit_funds",
        (
            (
                "        version = await work.treasury.version(key)\n",
                "        version = await work.treasury.committed(key)\n",
            ),
            (
                "await work.treasury.lock(key) != version:",
                "await work.treasury.lock(key) < 0:",
            ),
            (
                "        available = balance - await work.treasury.committed(key) + own\n",
                "        available = balance - version + own\n",
            ),
        ),
    ),
    Mutant(
        # Only the newest bytes are looked for; an older attempt that was mined is not seen.
        "resolve_by_hash",
        _APPLICATION + "drive_transactions",
        (
            (
                "    for attempt in reversed(intent.attempts):\n",
                "    for attempt in intent.attempts[-1:]:\n",
            ),
        ),
    ),
    Mutant(
        # The next nonce is read before the lane is locked: two replicas may read the same.
        "nonce_without_lock",
        _APPLICATION + "sign_transactions",
        (
            (
                "        lane = await work.journal.lock_lane(intent.chain_id, intent.signer)\n"
                "        intent = await work.journal.lock(intent.intent_id)\n",
                "        lane = await work.journal.find_lane(intent.chain_id, intent.signer)\n"
                "        await engine.rail.head()\n"
                "        await work.journal.lock_lane(intent.chain_id, intent.signer)\n"
                "        intent = await work.journal.lock(intent.intent_id)\n",
            ),
        ),
    ),
    Mutant(
        # The contract's word is enough; the token's is not asked for.
        "paid_without_transfer",
        "payout_service.domain.settlement",
        (
            (
                "    if not is_listed_failed and event_paid == payee.amount_base_units == transferred:\n",
                "    if not is_listed_failed and event_paid == payee.amount_base_units:\n",
            ),
        ),
    ),
    Mutant(
        # After a restored backup nobody asks what the signer has done since.
        "second_snapshot_after_restore",
        _APPLICATION + "sign_transactions",
        (
            (
                "        if chain_nonce > lane.next_nonce:\n",
                "        lane.next_nonce = max(chain_nonce, lane.next_nonce)\n"
                "        if chain_nonce > lane.next_nonce:\n",
            ),
        ),
    ),
    Mutant(
        # What may have been sent is given up without a no-op in its place.
        "void_without_no_op",
        "payout_service.domain.transaction",
        (
            (
                "        self.void_reason = self.void_reason or reason\n"
                "        return self.state is IntentState.VOIDED\n",
                "        self.void_reason = self.void_reason or reason\n"
                "        return True\n",
            ),
        ),
    ),
    Mutant(
        # The ledger forgets who has paid the money out of a promise.
        "promise_kept_after_payment",
        _APPLICATION + "settle_batch",
        (
            (
                "        await work.treasury.reduce(key, payout.payout_id, paid_base_units)\n",
                "",
            ),
        ),
    ),
    Mutant(
        # A sweep takes what is promised, too.
        "sweep_below_promises",
        _APPLICATION + "sweep_leftover",
        (
            (
                "        available = max(0, balance - await work.treasury.committed(key))\n",
                "        available = balance\n",
            ),
        ),
    ),
    Mutant(
        # Other bytes go out with another nonce: both may be mined.
        "replacement_with_other_nonce",
        _APPLICATION + "send_transactions",
        (
            (
                "        nonce=intent.nonce or 0,\n",
                "        nonce=(intent.nonce or 0) + 1,\n",
            ),
        ),
    ),
)
