"""What befalls the chain, the node and the processes, tick by tick. Windows of trouble end by themselves."""

from dataclasses import dataclass, field

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from payout_service.application.ports.lifecycle_contract import CallKind
from payout_service.domain.payout import PayoutState
from payout_service.domain.settlement import Execution, ExecutionKind
from tests.simulation.themes import Odds
from tests.simulation.watching import payees_of
from tests.simulation.world import FEE_CAP_WEI, World
from tests.support.payout.memory_chain import CHAIN_ID, CONTRACT, GWEI, TOKEN, TREASURER
from tests.support.payout.memory_store import Backup

_OTHER_CHAIN = 1


@dataclass(slots=True)
class Faults:
    """Trouble under way. Each window holds until a tick."""

    world: World
    until: dict[str, int] = field(default_factory=dict)
    backup: Backup | None = None
    restore_at: int = 0
    restores_left: int = 0
    _has_paused: bool = False

    def begin(self) -> None:
        """Hooks into the node."""
        world = self.world
        self.restores_left = world.odds.restores
        world.chain.fault_of = lambda raw: self._fault_of_broadcast()
        world.chain.lag_of = self._lag
        world.chain.before_answer = self._refuse_now_and_then

    def end(self) -> None:
        """No new trouble, and the world is as it should be; payees stay as they are."""
        world = self.world
        world.odds = Odds(**dict.fromkeys(Odds.__dataclass_fields__, 0))
        self.until.clear()
        self._close_windows()
        world.chain.pause_elsewhere(False)
        world.chain.id_told = CHAIN_ID
        while world.chain.late:
            world.chain.deliver_late()

    def tick(self) -> None:
        """What befalls before this tick's steps."""
        self._close_windows()
        for name, trouble in (
            ("processes", self._processes),
            ("node", self._node),
            ("fees", self._fees),
            ("pool", self._pool),
            ("forks", self._forks),
            ("money", self._money),
            ("payees", self._payees),
            ("contract", self._contract),
            ("foreign", self._foreign),
            ("backups", self._backups),
        ):
            with self.world.dice.deed(name):
                trouble()

    # ------------------------------------------------------------------------------------ by odds

    def _happens(self, chance: float, what: str = "happens") -> bool:
        return self.world.dice.happens(chance, what)

    def _holds(self, window: str) -> bool:
        return self.until.get(window, 0) > self.world.tick

    def _open(self, window: str, longest: int) -> None:
        if not self._holds(window):
            self.until[window] = self.world.tick + self.world.dice.number(1, longest + 1, f"ticks {window}")
            self.world.note(f"{window} until {self.until[window]}")

    def _close_windows(self) -> None:
        chain = self.world.chain
        chain.is_stuck = self._holds("stuck")
        chain.is_down = self._holds("down")
        if not self._holds("wrong chain"):
            chain.id_told = CHAIN_ID
        if self._has_paused and not self._holds("paused"):
            self._has_paused = False
            chain.pause_elsewhere(False)
        chain.has_pauser_role = not self._holds("no pauser")
        if not self._holds("fees"):
            chain.base_fee = GWEI

    def _fault_of_broadcast(self) -> str:
        odds = self.world.odds
        chances = (
            ("lost before", odds.request_lost),
            ("lost after", odds.reply_lost),
            ("late", odds.request_late),
            ("twice", odds.sent_twice),
            ("not taken", odds.not_taken),
        )
        return self.world.dice.which(chances, "broadcast")

    def _lag(self) -> int:
        # Asked for each question: without a window that has been opened there is nothing to look up.
        return self.world.dice.number(0, 4, "lag") if "lag" in self.until and self._holds("lag") else 0

    def _refuse_now_and_then(self, question: str) -> None:
        if "flaky" in self.until and self._holds("flaky") and self._happens(0.2, "no answer"):
            self.world.chain.happened["rpc_down"] += 1
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not answer {question}")

    def _processes(self) -> None:
        world, odds = self.world, self.world.odds
        for replica in (0, 1):
            if self._happens(odds.crash / 2, f"replica {replica} dies"):
                world.note(f"replica {replica} dies")
                world.kill(replica, ticks=world.dice.choice((0, 0, 3, 8), f"replica {replica} is away"))
        if self._happens(odds.outage, "outage"):
            ticks = world.dice.number(3, 12, "ticks away")
            world.note(f"both replicas are away for {ticks} ticks")
            for replica in (0, 1):
                world.kill(replica, ticks)

    def _node(self) -> None:
        chain, odds = self.world.chain, self.world.odds
        if self._happens(odds.down, "down"):
            self._open(self.world.dice.choice(("down", "flaky"), "how"), 4)
        if self._happens(odds.lag, "lag"):
            self._open("lag", 8)
        if self._happens(odds.wrong_chain, "wrong chain"):
            self._open("wrong chain", 3)
            chain.id_told = _OTHER_CHAIN
        if chain.late and self._happens(odds.late_arrives, "late arrives"):
            chain.deliver_late(self.world.dice.number(0, len(chain.late), "which late"))

    def _fees(self) -> None:
        chain, odds, dice = self.world.chain, self.world.odds, self.world.dice
        if not chain.pool and not chain.accepted:
            return
        if self._happens(odds.fee_spike, "spike"):
            chain.base_fee = GWEI * dice.number(3, 120, "gwei")
            self._open("fees", 15)
        if self._happens(odds.fee_above_cap, "above cap"):
            chain.base_fee = FEE_CAP_WEI + dice.number(1, 10, "gwei above cap") * GWEI
            self._open("fees", 8)

    def _pool(self) -> None:
        chain, dice = self.world.chain, self.world.dice
        if not chain.pool:
            return
        if self._happens(self.world.odds.stuck, "stuck"):
            self._open("stuck", 10)
        if not chain.is_relay and self._happens(self.world.odds.evict, "evict"):
            chain.evict(dice.choice(list(chain.pool), "evicted"))

    def _forks(self) -> None:
        """At most as deep as blocks are not final."""
        world, chain, dice = self.world, self.world.chain, self.world.dice
        deepest = world.settings.confirmations
        if not deepest or chain.is_relay or not any(block.transactions for block in chain.blocks[-deepest:]):
            return
        if not self._happens(world.odds.reorg):
            return
        depth = dice.number(1, deepest + 1, "depth")
        removed = [each for block in chain.blocks[-depth:] for each in block.transactions]
        kind = dice.choice(("drop", "elsewhere", "other", "other"), "kind")
        world.note(f"reorg of {depth} ({kind}), {len(removed)} transactions")
        chain.reorg(depth, remine=kind != "drop")
        if kind == "other":
            self._change_outcome([each for transaction in removed for each in payees_of(chain, transaction.call)])

    def _change_outcome(self, payees: list[HolderAddress]) -> None:
        """In the new branch things are not as they were."""
        world, chain, dice = self.world, self.world.chain, self.world.dice
        if not payees:
            chain.reverting_snapshots += dice.happens(0.3, "snapshot reverts")
            chain.mine()
            chain.reverting_snapshots = 0
            return
        match dice.choice(("block", "block", "revert", "money"), "other outcome"):
            case "block":
                chain.blocked_payees.add(dice.choice(payees, "payee"))
            case "revert":
                chain.reverting_batches += 1
            case "money" if world.odds.money_leaves or dice.happens(0.1, "money leaves"):
                self._take_money()
            case _:
                chain.blocked_payees.add(dice.choice(payees, "payee"))
        chain.mine()
        chain.reverting_batches = 0

    def _money(self) -> None:
        world, dice = self.world, self.world.dice
        if self._happens(world.odds.deposit, "deposit"):
            world.chain.move_money(dice.number(1, 8_000, "amount"))
        self._deposit_for_one()
        waiting = [*world.chain.pool.values(), *world.chain.accepted]
        is_paying = any(payees_of(world.chain, each.call) for each in waiting)
        if is_paying and not self._holds("stuck") and self._happens(world.odds.money_leaves, "money leaves"):
            self._take_money()

    def _deposit_for_one(self) -> None:
        """Both want it; only one can be promised it."""
        world = self.world
        plans = [
            payout.plan.payable_base_units
            for payout in world.database.rows("payout").values()
            if payout.plan is not None and payout.state is PayoutState.WAITING_FOR_FUNDS
        ]
        if len(plans) > 1 and self._happens(world.odds.rivalry, "for one of two"):
            lacking = max(plans) - world.database.free_money()
            world.chain.move_money(max(1, lacking))
            world.chain.mine()

    def _take_money(self) -> None:
        """Most of it, so that what is on its way finds too little."""
        world = self.world
        amount = max(1, world.chain.money_of(CONTRACT.value) - world.dice.number(0, 40, "stays"))
        world.note(f"somebody takes {amount} out of the contract")
        world.chain.move_money(-amount)
        world.is_money_excused = True

    def _payees(self) -> None:
        chain, odds, dice = self.world.chain, self.world.odds, self.world.dice
        if not chain.balances:
            return
        holders = [holder for holder, _ in chain.balances]
        for what, payees, chance in (
            ("blocked", chain.blocked_payees, odds.payee_blocked),
            ("poisoned", chain.poison_payees, odds.payee_poisoned),
        ):
            if self._happens(chance, what):
                payees.symmetric_difference_update({dice.choice(holders, f"who is {what}")})

    def _contract(self) -> None:
        if self._happens(self.world.odds.contract_paused, "paused"):
            self._has_paused = True
            self.world.chain.pause_elsewhere(True)
            self._open("paused", 6)
        if self._happens(self.world.odds.pause / 4, "no pauser"):
            self._open("no pauser", 12)

    def _foreign(self) -> None:
        """Another program signs with our key."""
        world, chain, dice = self.world, self.world.chain, self.world.dice
        if not self._happens(world.odds.foreign):
            return
        signer = dice.choice(world.signers, "signer")
        world.is_meddled_with = True
        if dice.happens(0.3, "takes over a fork") and self._takes_over_a_fork(signer):
            return
        kinds = ("nothing", "nothing", "nothing", "snapshot", "batch", "batch", "sweep")
        kind = dice.choice(kinds, "kind")
        ours = chain.pool.get((signer, chain.state.nonces.get(signer, 0)))
        if ours and dice.happens(0.5, "does the same"):
            # Another copy of this program, perhaps: it does the same in our place.
            recognised = chain.recognise(ours.call).kind
            kind = {CallKind.TAKE_SNAPSHOT: "snapshot", CallKind.SWEEP: "sweep"}.get(recognised, kind)
        call = None
        sending = [each for each in world.database.sweeps() if each.state.value == "SENDING"]
        if kind == "snapshot":
            call = chain.take_snapshot(TOKEN)
        elif kind == "batch":
            execution = self._foreign_execution()
            if execution:
                call = chain.pay_batch(CONTRACT, TOKEN, execution)
                world.is_money_excused = True
        elif kind == "sweep" and sending:
            world.is_money_excused = True
            chosen = dice.choice([each.sweep_id for each in sending], "sweep")
            (sweep,) = [each for each in sending if each.sweep_id == chosen]
            call = chain.sweep(CONTRACT, TREASURER, sweep.amount_base_units)
        world.note(f"foreign {kind} on {signer}")
        chain.sign_elsewhere(call, signer)

    def _foreign_execution(self) -> Execution | None:
        """For one payee; of a snapshot payout perhaps with another total."""
        world, chain, dice = self.world, self.world.chain, self.world.dice
        payee = (dice.choice(world.people, "payee"),)
        if chain.bond and dice.happens(0.3, "cash-out"):
            return Execution(ExecutionKind.CASH_OUT, 0, BaseUnits(0), payee)
        if chain.state.actions and dice.happens(0.5, "distribution"):
            action_id = dice.choice(list(chain.state.actions), "action")
            return Execution(ExecutionKind.DISTRIBUTION, action_id, BaseUnits(0), payee)
        snapshots = list(world.database.payouts_of_snapshots().items())
        if not snapshots:
            return None
        snapshot_id, payout_id = dice.choice(snapshots, "snapshot")
        if payout_id not in world.database.rows("payout") or not chain.state.snapshots[snapshot_id].rows:
            return None
        total = world.database.payout(payout_id).total_base_units + dice.choice((0, 0, 1_000), "more")
        holders = [holder for holder, _ in chain.state.snapshots[snapshot_id].rows]
        payee = (dice.choice(holders, "holder"),)
        return Execution(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, BaseUnits(total), payee)

    def _takes_over_a_fork(self, signer: EvmAddress) -> bool:
        """A fork drops what was mined, another program uses its nonce, and nobody looks until that is final."""
        world, chain = self.world, self.world.chain
        deepest = world.settings.confirmations
        ours = [each for block in chain.blocks[-deepest:] for each in block.transactions if each.signer == signer]
        if not deepest or chain.is_relay or not ours:
            return False
        for replica in (0, 1):
            world.kill(replica, ticks=2)
        world.note(f"a fork, in which another program uses the nonces of {signer}")
        chain.reorg(deepest)
        chain.sign_elsewhere(None, signer)
        was_stuck, chain.is_stuck = chain.is_stuck, False
        chain.base_fee = GWEI
        chain.mine(deepest + 2)
        chain.is_stuck = was_stuck
        return True

    def _backups(self) -> None:
        world, dice = self.world, self.world.dice
        if not self.restores_left:
            return
        if self.backup is None:
            if self._happens(0.15, "backup"):
                world.kill(0)
                world.kill(1)
                self.backup = world.database.backup()
                self.restore_at = world.tick + dice.number(2, 25, "restored after")
                world.note(f"backup, restored at {self.restore_at}")
        elif world.tick >= self.restore_at:
            self.restores_left -= 1
            self.restore()

    def restore(self) -> None:
        """Both replicas die, and the database is as it was when the backup was made."""
        world = self.world
        if self.backup is None:
            return
        for replica in (0, 1):
            world.kill(replica)
        world.kill(-1)
        world.note("the backup is restored")
        world.database.restore(self.backup)
        world.happened["restored_backup"] += 1
        world.is_restored = world.is_money_excused = True
        self.backup = None
