"""What the seed makes of an asset and its payouts before the first tick: kinds, dates, rules and money."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from uuid import UUID

from libs.payout_terms.terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind
from payout_service.application.life.request_payout import RequestPayoutCommand
from tests.simulation.dues import principal_of
from tests.simulation.operators import Events, the_asset
from tests.simulation.world import ASSET_ID, World
from tests.support.payout.terms_of import terms_of

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
        world, dice = self.world, self.world.dice
        is_deployed = not dice.happens(world.odds.deploys, "deploys")
        self.events.publish(the_asset() if is_deployed else the_asset(None), 0)
        if not is_deployed:
            world.chain.reverting_creations = dice.choice((0, 0, 1), "reverting_creations")
        low, high = dice.number(1, 200, "low_minimum"), dice.number(200, 2_000, "high_minimum")
        self.minimum_base_units = dice.choice((low, high), "minimum")
        is_odd = dice.happens(world.odds.is_odd, "is_odd")
        mix = self._choose_asset()
        count = dice.choice((1, 2, 3, 3), "payouts") + world.odds.more_payouts
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
        world, dice = self.world, self.world.dice
        record_time = world.chain.timestamp + dice.number(-60, 400, "record_in")
        waits = dice.number(1, 400, "longest_wait")
        execution_time = record_time + dice.choice((0, 10, waits), "execution_after")
        is_pending = world.chain.bond is not None and dice.happens(0.6, "is_pending")
        rate = None if is_pending else self.rate()
        return world.chain.announce(record_time, execution_time, rate)

    def rate(self) -> Fraction:
        """Base units of the payment token for each base unit of the asset."""
        dice = self.world.dice
        return Fraction(dice.number(1, 40, "rate"), dice.number(1, 30, "rate_of"))

    def _choose_asset(self) -> tuple[PayoutKind, ...]:
        world, dice = self.world, self.world.dice
        if dice.happens(world.odds.is_plain, "is_plain"):
            return (_K.SNAPSHOT,)
        if dice.happens(0.35, "is_equity"):
            return dice.choice(_EQUITY_MIXES, "mix")
        mix = dice.choice(_BOND_MIXES, "mix")
        matures_in = _NEVER
        if _K.REDEMPTION in mix:
            matures_in = dice.choice((-10, dice.number(0, 400, "matures_late")), "matures_in")
        principal = Fraction(dice.number(1, 12, "principal"), dice.choice((1, 1, 2, 3, 40), "principal_of"))
        pays_for_frozen = dice.happens(0.45, "pays_for_frozen")
        world.chain.become_bond(world.chain.timestamp + matures_in, principal, pays_for_frozen=pays_for_frozen)
        world.note(f"a bond with the principal {principal}")
        return mix

    def _kinds(self, mix: tuple[PayoutKind, ...], count: int) -> list[PayoutKind]:
        dice = self.world.dice
        if mix == (_K.REDEMPTION,):
            count = min(count, dice.choice((1, 1, 2), "redemptions"))
            self.world.has_exact_money = count == 1 and dice.happens(0.7, "has_exact_money")
            return [_K.REDEMPTION] * count
        if _K.REDEMPTION in mix:
            return [*(dice.choice(mix[:-1], "kinds") for _ in range(count)), _K.REDEMPTION]
        return [mix[0], *(dice.choice(mix, "kinds") for _ in range(count - 1))]

    def _request(self, kind: PayoutKind, *, is_odd: bool) -> int:
        """Returns about how much it takes, base units of the payment token."""
        world, dice = self.world, self.world.dice
        tick = dice.number(0, 40, "at_tick")
        supply = sum(balance for _, balance in world.chain.balances)
        if kind is _K.REDEMPTION:
            self._publish(kind, tick + 10)
            return principal_of(world.chain, supply)
        if kind.is_corporate_action:
            announced = self._announced
            # Now and then a second distribution of the same dividend.
            is_new = not announced or dice.happens(0.75, "is_new")
            action_id = self.announce() if is_new else dice.choice(announced, "action")
            if is_new:
                announced.append(action_id)
            self._publish(kind, tick, action_id=action_id)
            return supply * 2
        total, percentage = dice.number(1, 20_000, "total"), None
        if dice.happens(0.25, "is_percentage"):
            total, percentage = 0, dice.number(1, 10_001, "percentage")
        elif is_odd and dice.happens(0.5, "is_tiny"):
            total = dice.number(1, 4, "tiny_total")
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
        terms = terms_of(kind, total=total, percentage_basis_points=percentage, action_id=action_id, rules=rules)
        command = RequestPayoutCommand(payout_id, ASSET_ID, world.clock.now(), terms)
        self.events.publish(command, tick)

    def _rules(self, kind: PayoutKind) -> PayeeRules:
        """Only what the kind can do."""
        world, dice = self.world, self.world.dice
        if kind is _K.REDEMPTION or not dice.happens(world.odds.has_rules, "has_rules"):
            return NO_RULES
        excluded = frozenset(dice.sample(world.people, dice.choice((0, 0, 1, 2), "exclusions"), "excluded"))
        minimum = dice.choice((0, self.minimum_base_units, self.minimum_base_units), "minimum_of_payout")
        if kind is not _K.SNAPSHOT:
            return PayeeRules(excluded=excluded, minimum_base_units=minimum)
        rated = dice.sample(world.people, dice.choice((0, 1, 3), "rates"), "rated")
        rates = {each: dice.number(0, 10_001, "rate_of_holder") for each in rated}
        return PayeeRules(
            excluded=excluded,
            excluded_share=dice.choice(tuple(ExcludedShare), "excluded_share"),
            withholding_basis_points=dice.choice((0, 0, dice.number(1, 4_000, "high_rate")), "rate_of_all"),
            withholding_by_holder=rates,
            minimum_base_units=minimum,
        )

    def _make_odd(self) -> None:
        chain, dice = self.world.chain, self.world.dice
        match dice.choice(("nobody", "reverting snapshot", "cheated", "cheated"), "oddity"):
            case "nobody":
                chain.balances = []
            case "reverting snapshot":
                chain.reverting_snapshots = 1
            case "cheated":
                chain.cheated_payees = {dice.choice([each for each, _ in chain.balances], "cheated")}

    def _fund(self, wanted: int) -> None:
        world, dice = self.world, self.world.dice
        share = 100 if world.has_exact_money else 130
        if dice.happens(world.odds.is_short_of_money, "is_short_of_money"):
            is_poorest = dice.happens(world.odds.poorest, "is_poorest")
            share = 0 if is_poorest else dice.choice((30, 60, 90), "share")
        if wanted * share:
            world.chain.move_money(max(1, wanted * share // 100))
        if share and not world.has_exact_money and dice.happens(0.3, "has_more"):
            world.chain.move_money(dice.number(1, 5_000, "more"))
