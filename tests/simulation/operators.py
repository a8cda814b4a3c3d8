"""People: a treasurer and operators who use the verbs at random, and look before they acknowledge anything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.events import EventNotReadyError, IncomingEvent
from libs.idempotency import RequestKey
from libs.payout_terms.terms import PayoutKind
from payout_service.application.audit.reconcile_payout import reconcile_payout
from payout_service.application.contract.register_asset import RegisterAssetCommand, register_asset
from payout_service.application.contract.request_pause import RequestPauseCommand, request_pause
from payout_service.application.engine import Engine
from payout_service.application.life.control_payout import (
    cancel_payout,
    pause_payout,
    resume_payout,
    retry_payments,
)
from payout_service.application.life.request_payout import RequestPayoutCommand, request_payout
from payout_service.application.ports.lifecycle_contract import CallKind
from payout_service.application.recovery.reconcile_signer import reconcile_signer
from payout_service.application.sending.chain_identity import WrongChainError
from payout_service.application.treasury.sweep_leftover import SweepLeftoverCommand, sweep_leftover
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import PayoutState
from tests.simulation.world import ASSET_ID, Alarms, World, payout_ids
from tests.support.payout.memory_chain import CHAIN_ID, CONTRACT, PAYMENT_TOKEN, TOKEN, TREASURER

# What is told by no event and no operator: a replica of its own, so that its steps do not die with the others.
OUTSIDE = -1


Command = RegisterAssetCommand | RequestPayoutCommand | RequestPauseCommand


@dataclass(slots=True)
class Delivery:
    """An event of the other services; delivered at least once, in any order."""

    number: int
    event: IncomingEvent
    command: Command
    due_tick: int


@dataclass(slots=True)
class Events:
    """The stream: what was published, and what is to be delivered still."""

    world: World
    published: list[Delivery] = field(default_factory=list)
    pending: list[Delivery] = field(default_factory=list)
    _under_way: int = 0
    _newest_done: int = -1

    def publish(self, command: Command, tick: int) -> None:
        """Makes an event of it, to be delivered at a tick."""
        aggregate_id = command.distribution_id if isinstance(command, RequestPayoutCommand) else command.asset_id
        number = len(self.published)
        event = IncomingEvent(UUID(int=0xE0000 + number), "masspayout.x", "x", aggregate_id, 1, b"")
        is_late = self.world.dice.happens(self.world.odds.event_late, "event late")
        late = self.world.dice.number(1, 12, "event later") if is_late else 0
        delivery = Delivery(number, event, command, tick + late)
        self.published.append(delivery)
        self.pending.append(delivery)

    def replay(self) -> None:
        """After a restored backup, operators have the other services publish everything again."""
        self.pending = [Delivery(each.number, each.event, each.command, 0) for each in self.published]

    def tick(self) -> None:
        """Starts what is due."""
        due = [each for each in self.pending if each.due_tick <= self.world.tick]
        for each in due:
            self.pending.remove(each)
            self._deliver(each)

    @property
    def is_done(self) -> bool:
        return not self.pending and not self._under_way

    def forget_under_way(self) -> None:
        """They died with everything else."""
        self._under_way = 0

    def _deliver(self, delivery: Delivery) -> None:
        world = self.world
        with world.dice.at(f"delivery {delivery.number}"):
            engine = world.engines[world.dice.number(0, 2, "replica")]
        is_known = delivery.event.event_id in world.database.rows("inbox")
        self._under_way += 1

        def ended(result: object, error: BaseException | None) -> None:
            self._under_way -= 1
            if isinstance(error, EventNotReadyError):
                world.happened["reordered_delivery"] += 1
                self.pending.append(Delivery(delivery.number, delivery.event, delivery.command, world.tick + 1))
                return
            world.judge_end("delivery", error)
            world.happened["duplicate_delivery"] += is_known
            if not is_known and delivery.number < self._newest_done:
                world.happened["reordered_delivery"] += 1
            self._newest_done = max(self._newest_done, delivery.number)
            if world.dice.happens(world.odds.event_twice, "event twice"):
                # The acknowledgement got lost.
                later = world.tick + world.dice.number(1, 30, "event again")
                self.pending.append(Delivery(delivery.number, delivery.event, delivery.command, later))

        command = delivery.command
        if isinstance(command, RegisterAssetCommand):
            world.start("delivery", OUTSIDE, register_asset(engine, command, delivery.event), ended)
        elif isinstance(command, RequestPauseCommand):
            world.start("delivery", OUTSIDE, request_pause(engine, command, delivery.event), ended)
        else:
            world.start("delivery", OUTSIDE, request_payout(engine, command, delivery.event), ended)


def the_asset(lifecycle_contract: EvmAddress | None = CONTRACT) -> RegisterAssetCommand:
    """The one asset of a run."""
    return RegisterAssetCommand(
        asset_id=ASSET_ID,
        chain_id=CHAIN_ID,
        token=TOKEN,
        payment_token=PAYMENT_TOKEN,
        lifecycle_contract=lifecycle_contract,
        payment_token_symbol="DUSD",
        payment_token_decimals=6,
    )


@dataclass(slots=True)
class Operators:
    """Each call has a request id of its own; a refusal by name is an answer."""

    world: World
    _requests: int = 0
    _reconciling: set[EvmAddress] = field(default_factory=set)
    _given_up: set[UUID] = field(default_factory=set)
    _tried_again: set[UUID] = field(default_factory=set)
    _reconciled: set[UUID] = field(default_factory=set)

    def tick(self) -> None:
        """Perhaps a verb, perhaps a sweep; halted signers are always looked after."""
        world, dice = self.world, self.world.dice
        with dice.deed("verb"):
            if dice.happens(world.odds.verb):
                self.use_a_verb()
        with dice.deed("sweep"):
            if dice.happens(world.odds.sweep) and ASSET_ID in world.database.rows("lifecycle"):
                self.sweep(None if dice.happens(0.5, "all") else BaseUnits(dice.number(1, 3_000, "amount")))
        self.look_after_signers()

    def use_a_verb(self) -> None:
        """Any of them, on any payout, whatever its state."""
        world, dice = self.world, self.world.dice
        ids = payout_ids(world)
        if not ids:
            return
        payout_id = dice.choice(ids, "payout")
        state = world.database.payout(payout_id).state
        sensible = {
            PayoutState.PAUSED: ("resume", "resume", "cancel", "retry"),
            PayoutState.INCOMPLETE: ("retry", "retry", "cancel"),
            PayoutState.DEFERRED: ("retry named", "retry named", "cancel", "retry"),
            PayoutState.EXECUTING: ("pause", "pause", "cancel", "retry"),
        }.get(state, ("pause", "pause", "cancel"))
        self.call(dice.choice(sensible, "verb"), payout_id)

    def call(self, verb: str, payout_id: UUID) -> None:
        """One call of one verb, on either replica."""
        engine, key = self._engine(), self._key(verb)
        self.world.note(f"{verb} {payout_id}")
        match verb:
            case "pause":
                coroutine = pause_payout(engine, key, payout_id)
            case "resume":
                coroutine = resume_payout(engine, key, payout_id)
            case "cancel":
                coroutine = cancel_payout(engine, key, payout_id)
            case "retry named":
                coroutine = retry_payments(engine, key, payout_id, self._some_holders(payout_id))
            case _:
                coroutine = retry_payments(engine, key, payout_id, ())
        self.world.start(verb, OUTSIDE, coroutine, self._refusable(verb))

    def _some_holders(self, payout_id: UUID) -> tuple[HolderAddress, ...]:
        """Of those whose payments are deferred; perhaps one that was paid, which is refused."""
        rows = self.world.database.payments(payout_id)
        deferred = [row.planned.holder for row in rows if row.state is PaymentState.DEFERRED]
        named = deferred or [row.planned.holder for row in rows]
        count = min(len(named), self.world.dice.choice((1, 2), "count"))
        return tuple(self.world.dice.sample(named, count, "holders"))

    def give_up_what_cannot_go_on(self) -> None:
        """A dividend or coupon that was cancelled half-way: the payout says so, and waits for this."""
        for payout in list(self.world.database.rows("payout").values()):
            is_told = (
                payout.waiting_for.endswith("CancelPayout gives up") and payout.state is PayoutState.EXECUTING
            )
            if is_told and payout.payout_id not in self._given_up:
                self._given_up.add(payout.payout_id)
                self.call("cancel", payout.payout_id)

    def try_redemptions_again(self) -> bool:
        """Of each that is INCOMPLETE the payments that failed, once: their holders may have moved the tokens."""
        incomplete = [
            payout.payout_id
            for payout in self.world.database.rows("payout").values()
            if payout.kind is PayoutKind.REDEMPTION and payout.state is PayoutState.INCOMPLETE
        ]
        again = [each for each in incomplete if each not in self._tried_again]
        for payout_id in again:
            self._tried_again.add(payout_id)
            self.call("retry", payout_id)
        return bool(again)

    def reconcile_each(self) -> bool:
        """ReconcilePayout, once for each: it settles what evidence settles by now."""
        planned = [each.payout_id for each in self.world.database.rows("payout").values() if each.plan is not None]
        missing = [each for each in planned if each not in self._reconciled]
        for payout_id in missing:
            self._reconciled.add(payout_id)
            coroutine = reconcile_payout(self._engine(), payout_id, Alarms())
            self.world.start("reconcile payout", OUTSIDE, coroutine, self._refusable("reconcile payout"))
        return bool(missing)

    def sweep(self, amount: BaseUnits | None) -> None:
        """The treasurer wants what is left over."""
        command = SweepLeftoverCommand(self._key("sweep"), ASSET_ID, TREASURER, amount)
        self.world.note(f"sweep {amount}")
        self.world.start("sweep", OUTSIDE, sweep_leftover(self._engine(), command), self._refusable("sweep"))

    def look_after_signers(self) -> None:
        """ReconcileSigner for those that have stopped; one call at a time for each."""
        for (_, signer), lane in self.world.database.rows("lane").items():
            if not lane.halted_because or signer in self._reconciling:
                continue
            self._reconciling.add(signer)
            coroutine = self._reconcile(self._engine(), signer)

            def ended(_: object, error: BaseException | None, signer: EvmAddress = signer) -> None:
                self._reconciling.discard(signer)
                self._refusable("reconcile")(None, error)

            self.world.start("reconcile signer", OUTSIDE, coroutine, ended)

    def forget_under_way(self) -> None:
        """They died with everything else."""
        self._reconciling.clear()

    async def _reconcile(self, engine: Engine, signer: EvmAddress) -> None:
        """Without acknowledging first; then with what was looked at."""
        try:
            await reconcile_signer(engine, self._key("reconcile"), signer, frozenset())
        except AppError as error:
            if error.reason is not Reason.TRANSACTION_NOT_ACCOUNTED:
                raise
            hashes = frozenset(each for each in error.metadata or {} if each.startswith("0x"))
            if not hashes:
                await self._resume_paused(engine)
            await self._look_at(hashes, engine)
            try:
                await reconcile_signer(engine, self._key("reconcile"), signer, hashes)
            except AppError as refused:
                if refused.reason is not Reason.TRANSACTION_NOT_ACCOUNTED or refused.metadata:
                    raise
                # It says so: a payout that is paused has to be resumed first. Then it is asked for again.
                await self._resume_paused(engine)

    async def _resume_paused(self, engine: Engine) -> None:
        """A payout that is paused and waits for a snapshot is in the way."""
        for payout in list(self.world.database.rows("payout").values()):
            if payout.state is PayoutState.PAUSED and payout.paused_from is PayoutState.REQUESTED:
                await resume_payout(engine, self._key("resume"), payout.payout_id)

    async def _look_at(self, hashes: frozenset[str], engine: Engine) -> None:
        """A snapshot of our own that cannot be told whose it is: what waits for one is given up, before it takes
        another and pays everybody again.
        """
        world = self.world
        mined = [world.chain.state.mined.get(each) for each in hashes]
        ours = [
            each
            for each in mined
            if each
            and world.chain.recognise(each.transaction.call).kind is CallKind.TAKE_SNAPSHOT
            and not each.transaction.is_foreign
        ]
        if not ours:
            return
        for payout in list(world.database.rows("payout").values()):
            before_snapshot = (PayoutState.REQUESTED, PayoutState.SNAPSHOTTING)
            is_waiting = (payout.paused_from or payout.state) in before_snapshot
            if is_waiting and payout.kind is PayoutKind.SNAPSHOT:
                world.note(f"the operator cancels {payout.payout_id}: its snapshot cannot be told")
                await cancel_payout(engine, self._key("cancel"), payout.payout_id)

    def _engine(self) -> Engine:
        with self.world.dice.at("operators"):
            return self.world.engines[self.world.dice.number(0, 2, "replica")]

    def _key(self, method: str) -> RequestKey:
        self._requests += 1
        return RequestKey(UUID(int=0xF0000 + self._requests), method, b"", "operator")

    def _refusable(self, name: str) -> Callable[[object, BaseException | None], None]:
        def ended(_: object, error: BaseException | None) -> None:
            if isinstance(error, AppError | WrongChainError):
                return
            self.world.judge_end(name, error)

        return ended
