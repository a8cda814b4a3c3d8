"""What the seed makes of an asset and its payouts before the first tick: kinds, dates, rules and money."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from uuid import UUID

from libs.payout_terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind
from payout_service.application.request_payout import RequestPayout
from tests.simulation.dues import principal_of
from tests.simulation.operators import Events, the_asset
from tests.simulation.world import ASSET_ID, World

_K = PayoutKind
_NEVER = 10**10
# Which kinds the payouts of an asset are. Where there are others, too, a redemption comes last.
_EQUITY_MIXES = ((_K.DIVIDEND,), (_K.DIVIDEND, _K.SNAPSHOT))
_BOND_MIXES = (
    (_K.COUPON,),
    (_K.COUPON,),
    (_K.REDEMPTION,),
    (_K.REDEMPTION,),
    (_K.COUPON, _K.SNAPSHOT),
    (_K.SNAPSHOT, _K.COUPON, _K.REDEMPTION),
)


@dataclass(slots=True)
class Staging:
    """Publishes payouts; the issuer asks for more of them when it announces a dividend anew."""

    world: World
    events: Events
    minimum_base_units: int = 0
    _payouts: int = 0
    _announced: list[int] = field(default_factory=list)

    def stage(self) -> None:
        """Assets, payouts and money, as the seed has it."""
        world, rng = self.world, self.world.rng
        is_deployed = rng.random() >= world.odds.deploys
        self.events.publish(the_asset() if is_deployed else the_asset(None), 0)
        if not is_deployed:
            world.chain.reverting_creations = rng.choice((0, 0, 1))
        self.minimum_base_units = rng.choice((rng.randrange(1, 200), rng.randrange(200, 2_000)))
        is_odd = rng.random() < world.odds.is_odd
        mix = self._choose_asset()
        count = rng.choice((1, 2, 3, 3)) + world.odds.more_payouts
        wanted = sum(self._request(kind, is_odd=is_odd) for kind in self._kinds(mix, count))
        if is_odd:
            self._make_odd()
        self._fund(wanted)
        world.chain.mine(4)

    def request_action(self, action_id: int, tick: int) -> None:
        """A distribution of a dividend or coupon that was announced meanwhile."""
        self._publish(self.world.chain.action_kind, tick, action_id=action_id)

    def announce(self) -> int:
        """A dividend or coupon whose dates lie around the run's clock. Returns its id."""
        world, rng = self.world, self.world.rng
        record_time = world.chain.timestamp + rng.randrange(-60, 400)
        execution_time = record_time + rng.choice((0, 10, rng.randrange(1, 400)))
        is_pending = world.chain.bond is not None and rng.random() < 0.6
        rate = None if is_pending else self.rate()
        return world.chain.announce(record_time, execution_time, rate)

    def rate(self) -> Fraction:
        """Base units of the payment token for each base unit of the asset."""
        rng = self.world.rng
        return Fraction(rng.randrange(1, 40), rng.randrange(1, 30))

    def _choose_asset(self) -> tuple[PayoutKind, ...]:
        world, rng = self.world, self.world.rng
        if rng.random() < world.odds.is_plain:
            return (_K.SNAPSHOT,)
        if rng.random() < 0.35:
            return rng.choice(_EQUITY_MIXES)
        mix = rng.choice(_BOND_MIXES)
        matures_in = rng.choice((-10, rng.randrange(0, 400))) if _K.REDEMPTION in mix else _NEVER
        principal = Fraction(rng.randrange(1, 12), rng.choice((1, 1, 2, 3, 40)))
        world.chain.become_bond(world.chain.timestamp + matures_in, principal, pays_for_frozen=rng.random() < 0.45)
        world.note(f"a bond with the principal {principal}")
        return mix

    def _kinds(self, mix: tuple[PayoutKind, ...], count: int) -> list[PayoutKind]:
        if mix == (_K.REDEMPTION,):
            count = min(count, self.world.rng.choice((1, 1, 2)))
            self.world.has_exact_money = count == 1 and self.world.rng.random() < 0.7
            return [_K.REDEMPTION] * count
        if _K.REDEMPTION in mix:
            return [*(self.world.rng.choice(mix[:-1]) for _ in range(count)), _K.REDEMPTION]
        return [mix[0], *(self.world.rng.choice(mix) for _ in range(count - 1))]

    def _request(self, kind: PayoutKind, *, is_odd: bool) -> int:
        """Returns about how much it takes, base units of the payment token."""
        world, rng = self.world, self.world.rng
        tick = rng.randrange(0, 40)
        supply = sum(balance for _, balance in world.chain.balances)
        if kind is _K.REDEMPTION:
            self._publish(kind, tick + 10)
            return principal_of(world.chain, supply)
        if kind.is_corporate_action:
            announced = self._announced
            # Now and then a second distribution of the same dividend.
            is_new = not announced or rng.random() < 0.75
            action_id = self.announce() if is_new else rng.choice(announced)
            if is_new:
                announced.append(action_id)
            self._publish(kind, tick, action_id=action_id)
            return supply * 2
        total, percentage = rng.randrange(1, 20_000), None
        if rng.random() < 0.25:
            total, percentage = 0, rng.randrange(1, 10_001)
        elif is_odd and rng.random() < 0.5:
            total = rng.randrange(1, 4)
        self._publish(kind, tick, total=total, percentage=percentage)
        return total

    def _publish(
        self, kind: PayoutKind, tick: int, *, total: int = 0, percentage: int | None = None, action_id: int = 0
    ) -> None:
        world = self.world
        payout_id = UUID(int=0xD0 + self._payouts)
        self._payouts += 1
        rules = self._rules(kind)
        excluded = f", of them excluded {sorted(rules.excluded)}" if rules.excluded else ""
        rest = replace(rules, excluded=frozenset())
        world.note(f"{payout_id} is a {kind} {action_id or total or percentage}, {rest}{excluded}")
        command = RequestPayout(payout_id, ASSET_ID, world.clock.now(), total, percentage, kind, action_id, rules)
        self.events.publish(command, tick)

    def _rules(self, kind: PayoutKind) -> PayeeRules:
        """Only what the kind can do."""
        world, rng = self.world, self.world.rng
        if kind is _K.REDEMPTION or rng.random() >= world.odds.has_rules:
            return NO_RULES
        excluded = frozenset(rng.sample(world.people, rng.choice((0, 0, 1, 2))))
        minimum = rng.choice((0, self.minimum_base_units, self.minimum_base_units))
        if kind is not _K.SNAPSHOT:
            return PayeeRules(excluded=excluded, minimum_base_units=minimum)
        rates = {each: rng.randrange(0, 10_001) for each in rng.sample(world.people, rng.choice((0, 1, 3)))}
        return PayeeRules(
            excluded=excluded,
            excluded_share=rng.choice(tuple(ExcludedShare)),
            withholding_basis_points=rng.choice((0, 0, rng.randrange(1, 4_000))),
            withholding_by_holder=rates,
            minimum_base_units=minimum,
        )

    def _make_odd(self) -> None:
        chain, rng = self.world.chain, self.world.rng
        match rng.choice(("nobody", "reverting snapshot", "cheated", "cheated")):
            case "nobody":
                chain.balances = []
            case "reverting snapshot":
                chain.reverting_snapshots = 1
            case "cheated":
                chain.cheated_payees = {rng.choice(chain.balances)[0]}

    def _fund(self, wanted: int) -> None:
        world, rng = self.world, self.world.rng
        share = 100 if world.has_exact_money else 130
        if rng.random() < world.odds.is_short_of_money:
            share = 0 if rng.random() < world.odds.poorest else rng.choice((30, 60, 90))
        if wanted * share:
            world.chain.move_money(max(1, wanted * share // 100))
        if share and not world.has_exact_money and rng.random() < 0.3:
            world.chain.move_money(rng.randrange(1, 5_000))
