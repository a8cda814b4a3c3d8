"""Defects put into the engine on purpose, to see that the simulation finds each: `make simulate-mutants`.

A mutant replaces pieces of one module's source when that module is imported, in a process of its own. Files stay
as they are. A piece that is not there exactly once is an error: the mutant has to follow the engine.
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
    # Bytes are sent, and only then they become durable.
    Mutant(
        "send_before_journal",
        _APPLICATION + "sending.sign_transactions",
        (
            (
                "        intent.sign(nonce, gas, attempt)\n",
                "        await lanes.sender.broadcast(signed.raw)\n        intent.sign(nonce, gas, attempt)\n",
            ),
        ),
    ),
    # A batch whose fate is not known counts as one that will never be: its payees go into another.
    Mutant(
        "no_in_flight_check",
        _APPLICATION + "paying.settle_batch",
        (
            (
                "if intent.state in (IntentState.REVERTED, IntentState.VOIDED):",
                "if intent.state in (IntentState.REVERTED, IntentState.VOIDED, IntentState.UNKNOWN):",
            ),
        ),
    ),
    # An event that comes twice is processed twice.
    Mutant(
        "inbox_off",
        _APPLICATION + "life.request_payout",
        (("        if not await work.record_incoming(event):\n            return\n", ""),),
    ),
    # The snapshot's receipt is believed before the blocks on top of it have made it final.
    Mutant(
        "snapshot_planned_before_final",
        _APPLICATION + "sending.drive_transactions",
        (("is_deep_enough = head.number", 'is_deep_enough = intent.purpose == "SNAPSHOT" or head.number'),),
    ),
    # Promises are read before the lock: two payouts may be promised the same money.
    Mutant(
        "commitment_without_lock",
        _APPLICATION + "treasury.commit_funds",
        (
            (
                "    look = await look_at_balance(engine, key)\n",
                (
                    "    look = await look_at_balance(engine, key)\n"
                    "    async with engine.unit_of_work() as work:\n"
                    "        promised = await work.treasury.committed(key)\n"
                ),
            ),
            ("await work.treasury.lock(key) != look.version:", "await work.treasury.lock(key) < 0:"),
            ("- await work.treasury.committed(key) + own", "- promised + own"),
        ),
    ),
    # Only the newest bytes are looked for; an older attempt that was mined is not seen.
    Mutant(
        "resolve_by_hash",
        _APPLICATION + "sending.drive_transactions",
        (("for attempt in reversed(intent.attempts):", "for attempt in intent.attempts[-1:]:"),),
    ),
    # Whatever another execution has paid a payee counts as what it is owed.
    Mutant(
        "other_amount_counts_as_paid",
        "payout_service.domain.proof",
        (("return paid_base_units == self.amount_base_units", "return paid_base_units > 0"),),
    ),
    # Other bytes with the same nonce are sent before they are durable.
    Mutant(
        "replace_before_journal",
        _APPLICATION + "sending.send_transactions",
        (
            (
                "        locked.replace_with(attempt)\n",
                "        await lanes.sender.broadcast(signed.raw)\n        locked.replace_with(attempt)\n",
            ),
        ),
    ),
    # The contract's word is enough; the token's is not asked for.
    Mutant(
        "paid_without_transfer",
        "payout_service.domain.proof",
        (
            (
                "agrees = event_base_units is not None and event_base_units == transferred_base_units > 0",
                "agrees = event_base_units is not None and event_base_units > 0",
            ),
            ("not due.allows(transferred_base_units)", "not due.allows(event_base_units)"),
            (
                "event_base_units=event_base_units, transferred_base_units=transferred_base_units, due=due)",
                "event_base_units=event_base_units, transferred_base_units=event_base_units, due=due)",
            ),
        ),
    ),
    # What the event of somebody else's cash-out says is taken for what its token has moved.
    Mutant(
        "paid_on_the_event_alone",
        _APPLICATION + "paying.recorded_payments",
        (
            (
                "transferred_base_units=receipt.transferred.get(holder, BaseUnits(0)),\n            burned_tokens",
                "transferred_base_units=seen.event.paid.get(holder, BaseUnits(0)),\n            burned_tokens",
            ),
        ),
    ),
    # A burn is looked for in the form of version 8 alone.
    Mutant(
        "burn_counted_in_one_form",
        "payout_service.domain.burns",
        (("in sums[BurnForm.REDEEMED_BY_PARTITION].items()", "in sums[BurnForm.TRANSFER].items()"),),
    ),
    # Nobody looks whether others have paid who is deferred.
    Mutant(
        "deferred_never_looked_at_again",
        _APPLICATION + "audit.reconcile_payout",
        (
            (
                (
                    "settle_disputed(engine, payout, contract)"
                    " + await settle_paid_elsewhere(engine, payout, contract)"
                ),
                "settle_disputed(engine, payout, contract)",
            ),
        ),
    ),
    # After a restored backup nobody asks what the signer has done since.
    Mutant(
        "second_snapshot_after_restore",
        _APPLICATION + "sending.sign_transactions",
        (
            (
                "        if chain_nonce > lane.next_nonce:\n",
                (
                    "        lane.next_nonce = max(chain_nonce, lane.next_nonce)\n"
                    "        if chain_nonce > lane.next_nonce:\n"
                ),
            ),
        ),
    ),
    # What may have been sent is given up without a no-op in its place.
    Mutant(
        "void_without_no_op",
        "payout_service.domain.transaction",
        (
            (
                (
                    "        self.void_reason = self.void_reason or reason\n"
                    "        return self.state is IntentState.VOIDED\n"
                ),
                "        self.void_reason = self.void_reason or reason\n        return True\n",
            ),
        ),
    ),
    # The money that has left stays promised.
    Mutant(
        "promise_kept_after_payment",
        _APPLICATION + "paying.settle_batch",
        (("        await work.treasury.reduce(key, payout.payout_id, BaseUnits(kept + gone))\n", ""),),
    ),
    # A sweep takes what is promised, too.
    Mutant(
        "sweep_below_promises",
        _APPLICATION + "treasury.sweep_leftover",
        (
            (
                "available = BaseUnits(max(0, look.balance_base_units - await work.treasury.committed(key)))",
                "available = look.balance_base_units",
            ),
        ),
    ),
    # Other bytes go out with another nonce: both may be mined.
    Mutant(
        "replacement_with_other_nonce",
        _APPLICATION + "sending.send_transactions",
        (("nonce=Nonce(intent.nonce or 0),", "nonce=Nonce((intent.nonce or 0) + 1),"),),
    ),
    # A dividend that the issuer has cancelled is paid to the end.
    Mutant(
        "cancelled_dividend_is_paid",
        _APPLICATION + "paying.check_batch",
        (
            (
                "return await _action_changed(engine, payout, contract) if payout.kind.is_corporate_action else",
                "return",
            ),
        ),
    ),
    # The plan of a dividend is read from live balances, while its snapshot is pending.
    Mutant(
        "planned_before_the_trigger",
        _APPLICATION + "planning.trigger_snapshot",
        (
            (
                "            if not action.snapshot_id:\n                await work.journal.add(",
                "            if action.snapshot_id < 0:\n                await work.journal.add(",
            ),
            (
                "        return await _not_triggered(engine, payout, contract, number, intent)\n",
                "        pass\n",
            ),
            (
                "snapshot_totals(contract.token, action.snapshot_id, block_number)",
                "live_totals(contract.token, block_number)",
            ),
            ("Snapshot(action.snapshot_id, block_number", "Snapshot(action.snapshot_id or 1, block_number"),
        ),
    ),
    # A coupon whose rate is not final yet is planned with amounts of nothing.
    Mutant(
        "planned_before_the_rate",
        _APPLICATION + "planning.trigger_snapshot",
        (("if not action.is_rate_set:", "if action.is_cancelled:"),),
    ),
    # A redemption's batch goes out with the amounts of its listing.
    Mutant(
        "redeemed_without_a_look",
        _APPLICATION + "paying.check_batch",
        (("return await follow_live_balances(engine, payout, contract, payees)", "return None"),),
    ),
    # Who has nothing left, or too little to be worth a base unit, is redeemed for nothing.
    Mutant(
        "redeemed_for_nothing",
        _APPLICATION + "paying.follow_live_balances",
        (
            ("gone = [each.holder for each in moved if not each.amount_base_units]", "gone: list[str] = []"),
            ("[each for each in moved if each.amount_base_units], outcomes", "moved, outcomes"),
        ),
    ),
    # A payee that is owed more waits for money which is promised to one that is owed less by now.
    Mutant(
        "fallen_promises_are_kept",
        _APPLICATION + "paying.follow_live_balances",
        (("and await _free_what_fell(engine, payout, contract):", "and not lacking:"),),
    ),
    # Frozen tokens are paid for, which version 8 of the bond does not redeem.
    Mutant(
        "obstacle_ignored",
        _APPLICATION + "paying.follow_live_balances",
        (("for each in owed if each.obstacle}", "for each in owed if each.obstacle is None}"),),
    ),
    # Tokens that moved during a redemption are looked for no more.
    Mutant(
        "no_further_round",
        "payout_service.domain.payout",
        (("return self.kind is PayoutKind.REDEMPTION and self.is_listing_stale", "return False"),),
    ),
    # A later round lists holders once more whose payment of an earlier one is open.
    Mutant(
        "open_payments_listed_again",
        _APPLICATION + "planning.plan_payout",
        (("return waiting | {", "return {"),),
    ),
    # What is withheld from a payee is paid to it.
    Mutant(
        "nothing_withheld",
        "payout_service.domain.payout",
        (
            (
                "total = net_total(self.call_total_base_units, withholding_basis_points)",
                "total = self.call_total_base_units",
            ),
        ),
    ),
    # Payees with several rates are in one call.
    Mutant(
        "rates_mixed_in_a_batch",
        "tests.support.payout.memory_payments",
        (("return row.batch_cap or 0, row.planned.withholding_basis_points", "return row.batch_cap or 0, 0"),),
    ),
    # Of several deferrals that have come due one is released; the others stay below the minimum.
    Mutant(
        "deferrals_released_one_by_one",
        _APPLICATION + "paying.release_deferred",
        (
            (
                "for each in await work.unsent.deferrals_due(contract.asset_id, _MOST_HOLDERS):",
                "for each in (await work.unsent.deferrals_due(contract.asset_id, _MOST_HOLDERS))[:1]:",
            ),
        ),
    ),
    # An older request to pause takes the place of a newer one.
    Mutant(
        "older_pause_request_wins",
        "payout_service.domain.lifecycle",
        (("if request.version <= newest_version:", "if request.version == newest_version:"),),
    ),
    # A pause that may still be taken back counts as carried out.
    Mutant(
        "pause_told_before_final",
        _APPLICATION + "contract.advance_pause",
        (("final_block = engine.final_block_at(head)", "final_block = head.number"),),
    ),
    # A changed mind does not wait for the outcome of what has left.
    Mutant(
        "two_pauses_at_once",
        _APPLICATION + "contract.advance_pause",
        (("    if not is_decided:", "    if not is_decided and intent.call == call:"),),
    ),
)
