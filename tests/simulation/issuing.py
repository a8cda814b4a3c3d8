"""The issuer and the holders, tick by tick: tokens move, dividends are cancelled, rates come late, others pay."""

from dataclasses import dataclass

from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.settlement import Execution, ExecutionKind
from tests.simulation.staging import Staging
from tests.simulation.world import World
from tests.support.payout.memory_asset import Action, floor_of
from tests.support.payout.memory_contract import STRANGER

_UNDER_WAY = frozenset({PayoutState.PLANNING, PayoutState.WAITING_FOR_FUNDS, PayoutState.EXECUTING})


@dataclass(slots=True)
class Issuer:
    """Whoever changes the asset from outside. A fork does it all again."""

    world: World
    staging: Staging

    def tick(self) -> None:
        """What is done before this tick's steps."""
        for name, deed in (
            ("transfer", self._move_tokens),
            ("race", self._race),
            ("freeze", self._freeze_tokens),
            ("control list", self._keep_control_list),
            ("rates", self._set_rates),
            ("cancel action", self._cancel_action),
            ("trigger", self._trigger),
            ("paid by others", self._pay),
        ):
            with self.world.dice.deed(name):
                deed()

    def end(self) -> None:
        """Most tokens are free, and most holders off the control list."""
        world, dice = self.world, self.world.dice
        for each in sorted(world.chain.listed_holders):
            if dice.happens(0.7, f"{each} off the list"):
                world.chain.unlist_holder(HolderAddress(each))
        for each, amount in list(world.chain.state.frozen.items()):
            if amount and dice.happens(0.7, f"{each} unfrozen"):
                self._unfreeze(HolderAddress(each), amount)

    def set_rates(self) -> None:
        """All that are pending."""
        for action_id, action in self._announced():
            if action.per_token is None:
                self._set_rate(action_id)

    def count_effects(self) -> None:
        """At the end, by the chain: what others have paid."""
        for mined in self.world.chain.state.mined.values():
            event = mined.evidence.event if mined.evidence else None
            if mined.transaction.signer != STRANGER or event is None or not any(event.paid.values()):
                continue
            if event.execution.kind is ExecutionKind.CASH_OUT:
                self.world.happened["foreign_cash_out"] += 1
            elif event.execution.kind is ExecutionKind.DISTRIBUTION:
                self.world.happened["foreign_distribution"] += 1

    # ------------------------------------------------------------------------------------ tokens

    def _happens(self, chance: float) -> bool:
        return self.world.dice.happens(chance)

    def _move_tokens(self) -> None:
        world, dice = self.world, self.world.dice
        if self._happens(world.odds.token_moves) and world.chain.balances:
            self._give(dice.choice(self._holders(), "sender"))

    def _holders(self) -> list[str]:
        return [holder for holder, _ in self.world.chain.balances]

    def _give(self, sender: str) -> None:
        """All or some of a holder's tokens go to anybody: to one who was paid, to one who held none."""
        world, dice = self.world, self.world.dice
        balance, to = world.chain.state.free(HolderAddress(sender)), dice.choice(world.people, "to")
        if to == sender or not balance or not world.chain.listed_holders.isdisjoint((sender, to)):
            return
        amount = balance if dice.happens(0.5, "all") else dice.number(1, balance + 1, "amount")
        world.happened["transfer_between_batches"] += self._is_redeeming()
        # Two principals may round down where one does not.
        world.unpromised_base_units += world.chain.bond is not None
        world.note(f"{sender} gives {amount} of {balance} tokens to {to}")
        world.chain.transfer(HolderAddress(sender), to, amount)

    def _race(self) -> None:
        """Something befalls a payee between the engine's look and its batch."""
        world, dice = self.world, self.world.dice
        rows = [row for payout in self._redemptions() for row in world.database.payments(payout.payout_id)]
        planned = [row.planned.holder for row in rows if row.state is PaymentState.PLANNED]
        in_flight = [row.planned.holder for row in rows if row.state is PaymentState.IN_FLIGHT]
        if not (planned or in_flight) or not self._happens(world.odds.races):
            return
        payee = dice.choice(in_flight or planned, "payee")
        match dice.choice(("give", "give", "freeze", "others"), "how"):
            case "give":
                self._give(payee)
            case "freeze":
                self._freeze(payee)
            case _ if dice.happens(0.25, "others do"):
                self._execute(Execution(ExecutionKind.CASH_OUT, 0, BaseUnits(0), (payee,)))

    def _freeze_tokens(self) -> None:
        world, dice = self.world, self.world.dice
        if not self._happens(world.odds.freezes) or not world.chain.balances:
            return
        frozen = {each: amount for each, amount in world.chain.state.frozen.items() if amount}
        if frozen and dice.happens(0.5, "unfreeze"):
            holder = dice.choice(list(frozen), "unfrozen")
            self._unfreeze(HolderAddress(holder), frozen[holder])
            return
        self._freeze(HolderAddress(dice.choice(self._holders(), "frozen")))

    def _freeze(self, holder: HolderAddress) -> None:
        world, balance = self.world, self.world.chain.state.free(holder)
        if balance:
            amount = world.dice.number(1, balance + 1, "amount frozen")
            world.happened["tokens_frozen"] += 1
            world.note(f"{amount} of {balance} tokens of {holder} are frozen")
            world.chain.freeze(holder, amount)

    def _unfreeze(self, holder: HolderAddress, most: int) -> None:
        world = self.world
        amount = world.dice.number(1, most + 1, f"of {holder} unfrozen")
        world.happened["tokens_unfrozen"] += 1
        if world.chain.bond:
            world.unpromised_base_units += floor_of(world.chain.bond.principal_per_token, TokenUnits(amount)) + 1
        world.note(f"{amount} tokens of {holder} are free again")
        world.chain.unfreeze(holder, amount)

    def _keep_control_list(self) -> None:
        world, dice = self.world, self.world.dice
        if not self._happens(world.odds.listings):
            return
        each = dice.choice(world.people, "holder")
        if each in world.chain.listed_holders:
            world.chain.unlist_holder(each)
        else:
            world.chain.list_holder(each)
        world.note(f"the control list has {sorted(world.chain.listed_holders)}")

    def _is_redeeming(self) -> bool:
        return any(payout.progress.batch_count for payout in self._redemptions())

    def _redemptions(self) -> list[Payout]:
        payouts = self.world.database.rows("payout").values()
        return [each for each in payouts if each.state in _UNDER_WAY and each.kind is PayoutKind.REDEMPTION]

    # ------------------------------------------------------------------------------------ dividends and coupons

    def _set_rates(self) -> None:
        pending = [
            each for each, action in self._announced() if action.per_token is None and not action.is_cancelled
        ]
        if pending and self._happens(self.world.odds.rate_set):
            self._set_rate(self.world.dice.choice(pending, "action"))

    def _set_rate(self, action_id: int) -> None:
        self.world.happened["rate_set_late"] += 1
        self.world.note(f"the rate of coupon {action_id} is set")
        self.world.chain.set_rate(action_id, self.staging.rate())

    def _cancel_action(self) -> None:
        """Its holders get nothing, until it is announced anew with another id."""
        world, dice = self.world, self.world.dice
        announced = [each for each, action in self._announced() if not action.is_cancelled]
        if not announced or not self._happens(world.odds.action_cancelled):
            return
        action_id = dice.choice(announced, "action")
        world.happened["action_cancelled"] += 1
        world.note(f"dividend or coupon {action_id} is cancelled")
        world.chain.cancel(action_id)
        if dice.happens(0.6, "announced anew"):
            world.happened["action_announced_anew"] += 1
            self.staging.request_action(
                self.staging.announce(), world.tick + dice.number(6, 20, "asked for after")
            )

    def _trigger(self) -> None:
        """Anybody may, from the record date on."""
        world = self.world
        now = world.chain.timestamp
        is_due = any(
            action.record_time <= now and not action.snapshot_id and not action.is_cancelled
            for _, action in self._announced()
        )
        if is_due and self._happens(world.odds.triggered_by_others):
            world.happened["record_snapshot_triggered_by_others"] += 1
            world.note("somebody triggers the pending snapshots")
            world.chain.trigger_elsewhere()

    def _announced(self) -> list[tuple[int, Action]]:
        return list(self.world.chain.state.actions.items())

    # ------------------------------------------------------------------------------------ what others pay

    def _pay(self) -> None:
        """Somebody else with the role executes the lifecycle contract."""
        world, dice = self.world, self.world.dice
        if not self._happens(world.odds.paid_by_others):
            return
        chain = world.chain
        executions: list[tuple[ExecutionKind, int, int]] = [
            (ExecutionKind.DISTRIBUTION, action_id, 0)
            for action_id, action in self._announced()
            if action.snapshot_id and action.execution_time <= chain.timestamp
        ]
        if chain.bond and chain.bond.maturity_time <= chain.timestamp:
            executions.append((ExecutionKind.CASH_OUT, 0, 0))
        executions += [
            (ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, world.database.payout(payout_id).total_base_units)
            for snapshot_id, payout_id in world.database.payouts_of_snapshots().items()
            if payout_id in world.database.rows("payout")
        ]
        if not executions:
            return
        kind, reference_id, total = dice.choice(executions, "execution")
        payees = tuple(dice.sample(world.people, dice.choice((1, 2), "count"), "payees"))
        self._execute(Execution(kind, reference_id, BaseUnits(total), payees))

    def _execute(self, execution: Execution) -> None:
        self.world.is_meddled_with = self.world.is_money_excused = True
        self.world.note(f"somebody else executes {execution}")
        self.world.chain.pay_elsewhere(execution)
