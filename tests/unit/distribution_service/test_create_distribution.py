"""Creating: what is refused, what is written, and that a repeated request makes one distribution."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from distribution_service.application.create_distribution import CreateDistribution, CreateDistributionUseCase
from distribution_service.application.queries import DistributionQueries
from distribution_service.application.written_terms import (
    AmountText,
    BaseUnitsText,
    DecimalAmountText,
    PercentageText,
    WrittenTerms,
)
from distribution_service.domain.asset import AssetState
from distribution_service.domain.events import DistributionReleased
from distribution_service.domain.states import DistributionState
from distribution_service.domain.terms import Coupon, Dividend, FixedTotal, Redemption, ShareOfAvailable
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from libs.payout_terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind, UnsupportedRuleError
from tests.unit.distribution_service.fakes import (
    LIFECYCLE_CONTRACT,
    TOKEN,
    FakeClock,
    FakePayouts,
    FakeReader,
    Store,
    asset,
    preview,
    request_key,
)

_ONE_TOKEN = BaseUnitsText("1000000")


class _World:
    def __init__(self) -> None:
        self.store = Store()
        self.payouts = FakePayouts(preview())
        self.use_case = CreateDistributionUseCase(self.store.new_unit_of_work, self.payouts, FakeClock(), uuid4)
        self.asset_id = self.know(AssetState.ACTIVE)

    def know(self, state: AssetState) -> UUID:
        known = asset(state)
        self.store.assets[known.asset_id] = known
        return known.asset_id

    def command(
        self,
        pays: AmountText | PercentageText | Dividend | Coupon | Redemption = _ONE_TOKEN,
        key: RequestKey | None = None,
        allow_unfunded: bool = False,
        asset_id: UUID | None = None,
        rules: PayeeRules = NO_RULES,
        minimum: AmountText | None = None,
    ) -> CreateDistribution:
        terms = WrittenTerms(pays, rules, minimum)
        return CreateDistribution(key or request_key(), asset_id or self.asset_id, terms, allow_unfunded)

    async def refusal(self, command: CreateDistribution) -> AppError:
        before = self.store.copy()
        with pytest.raises(AppError) as caught:
            await self.use_case.run(command)
        assert self.store == before, "a refusal must write nothing"
        return caught.value


@pytest.fixture
def world() -> _World:
    return _World()


async def test_it_is_released_with_its_event_and_its_request(world: _World) -> None:
    key = request_key()
    distribution = await world.use_case.run(world.command(DecimalAmountText("1.5"), key))

    assert distribution.state is DistributionState.RELEASED
    assert (distribution.total_base_units, distribution.payment_token) == (1_500_000, TOKEN)
    assert world.store.distributions == {distribution.distribution_id: distribution}
    assert world.store.events == [(DistributionReleased(), distribution)]
    assert world.store.requests[key.request_id].resource_id == distribution.distribution_id
    assert world.payouts.asked == [(world.asset_id, FixedTotal(1_500_000), False)]


@pytest.mark.parametrize(
    ("amount", "reason", "field"),
    [
        (BaseUnitsText(""), Reason.INVALID_AMOUNT, "total_amount.base_units"),
        (BaseUnitsText("1.5"), Reason.INVALID_AMOUNT, "total_amount.base_units"),
        (BaseUnitsText("0"), Reason.AMOUNT_NOT_POSITIVE, "total_amount.base_units"),
        (BaseUnitsText("-1"), Reason.AMOUNT_NOT_POSITIVE, "total_amount.base_units"),
        (BaseUnitsText(str(2**256)), Reason.AMOUNT_TOO_LARGE, "total_amount.base_units"),
        (DecimalAmountText("1e6"), Reason.INVALID_AMOUNT, "total_amount.decimal_amount"),
        (DecimalAmountText("0.0"), Reason.AMOUNT_NOT_POSITIVE, "total_amount.decimal_amount"),
        (DecimalAmountText("1.0000000"), Reason.AMOUNT_TOO_MANY_DECIMALS, "total_amount.decimal_amount"),
        (DecimalAmountText(str(2**256)), Reason.AMOUNT_TOO_LARGE, "total_amount.decimal_amount"),
        (PercentageText("0"), Reason.INVALID_PERCENTAGE, "percentage"),
        (PercentageText("100.01"), Reason.INVALID_PERCENTAGE, "percentage"),
        (PercentageText("12.345"), Reason.INVALID_PERCENTAGE, "percentage"),
        (PercentageText("-5"), Reason.INVALID_PERCENTAGE, "percentage"),
        (PercentageText("five"), Reason.INVALID_PERCENTAGE, "percentage"),
    ],
)
async def test_wrong_amounts_are_refused_before_payout_service_is_asked(
    world: _World, amount: AmountText | PercentageText, reason: Reason, field: str
) -> None:
    error = await world.refusal(world.command(amount))

    assert (error.reason, error.field) == (reason, field)
    assert world.payouts.asked == []


async def test_a_percentage_is_released_without_a_total(world: _World) -> None:
    distribution = await world.use_case.run(world.command(PercentageText("12.5")))

    assert (distribution.percentage_basis_points, distribution.total_base_units) == (1_250, 0)
    assert world.store.events == [(DistributionReleased(), distribution)]
    assert world.payouts.asked == [(world.asset_id, ShareOfAvailable(1_250), False)]


@pytest.mark.parametrize(
    ("text", "available", "required"), [("100", 0, 1), ("1", 99, 100), ("0.03", 3333, 3334), ("12.5", 0, 8)]
)
async def test_a_percentage_of_too_little_to_pay_anything_is_refused(
    world: _World, text: str, available: int, required: int
) -> None:
    world.payouts.preview_answer = preview(available=available, total=0)
    error = await world.refusal(world.command(PercentageText(text)))

    assert (error.reason, error.field) == (Reason.INSUFFICIENT_FUNDS, "percentage")
    assert error.metadata == {
        "required_base_units": str(required),
        "available_base_units": str(available),
        "shortfall_base_units": str(required - available),
        "payment_token": str(TOKEN.address),
        "lifecycle_contract": str(LIFECYCLE_CONTRACT),
    }
    assert (await world.use_case.run(world.command(PercentageText(text), allow_unfunded=True))).allow_unfunded
    world.payouts.preview_answer = preview(available=required, total=1)
    assert (await world.use_case.run(world.command(PercentageText(text)))).total_base_units == 0


_ACTIONS = [
    (Dividend(3), PayoutKind.DIVIDEND, 3, "dividend_id"),
    (Coupon(7), PayoutKind.COUPON, 7, "coupon_id"),
    (Redemption(), PayoutKind.REDEMPTION, 0, "redemption"),
]


@pytest.mark.parametrize(("action", "kind", "action_id", "_"), _ACTIONS)
async def test_what_the_asset_has_announced_is_released_without_a_total(
    world: _World, action: Dividend | Coupon | Redemption, kind: PayoutKind, action_id: int, _: str
) -> None:
    distribution = await world.use_case.run(world.command(action))

    assert (distribution.kind, distribution.action_id) == (kind, action_id)
    assert (distribution.total_base_units, distribution.percentage_basis_points) == (0, None)
    assert world.store.events == [(DistributionReleased(), distribution)]


@pytest.mark.parametrize(("action", "kind", "action_id", "field"), _ACTIONS)
async def test_what_the_asset_has_announced_needs_its_money_too(
    world: _World, action: Dividend | Coupon | Redemption, kind: PayoutKind, action_id: int, field: str
) -> None:
    world.payouts.preview_answer = preview(available=4, shortfall=6)
    error = await world.refusal(world.command(action))

    assert (error.reason, error.field) == (Reason.INSUFFICIENT_FUNDS, field)
    assert world.payouts.asked == [(world.asset_id, action, True)], "only with amounts is the shortfall known"
    assert (await world.use_case.run(world.command(action, allow_unfunded=True))).allow_unfunded
    assert world.payouts.asked[1:] == [(world.asset_id, action, False)]


async def test_before_the_record_date_neither_holders_nor_funds_are_known(world: _World) -> None:
    answer = preview(holder_count=0, available=0, shortfall=1)
    world.payouts.preview_answer = answer
    assert (await world.refusal(world.command(Dividend(1)))).reason is Reason.NO_HOLDERS
    world.payouts.preview_answer = replace(answer, is_pending=True)
    assert (await world.use_case.run(world.command(Dividend(1)))).state is DistributionState.RELEASED


_RULES = PayeeRules(
    excluded=frozenset({"0x" + "11" * 20}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=2_637,
    withholding_by_holder={"0x" + "22" * 20: 0},
)


@pytest.mark.parametrize("minimum", [BaseUnitsText("2500000"), DecimalAmountText("2.5")])
async def test_rules_are_asked_for_and_stored_with_the_minimum_in_base_units(
    world: _World, minimum: AmountText
) -> None:
    distribution = await world.use_case.run(world.command(rules=_RULES, minimum=minimum))

    expected = replace(_RULES, minimum_base_units=2_500_000)
    assert distribution.rules == expected
    assert world.payouts.asked_rules == [expected]


@pytest.mark.parametrize(
    ("minimum", "reason", "unit", "asks"),
    [
        (BaseUnitsText("0"), Reason.AMOUNT_NOT_POSITIVE, "base_units", False),
        (BaseUnitsText("1.5"), Reason.INVALID_AMOUNT, "base_units", False),
        (BaseUnitsText(str(2**256)), Reason.AMOUNT_TOO_LARGE, "base_units", False),
        (DecimalAmountText("0"), Reason.AMOUNT_NOT_POSITIVE, "decimal_amount", True),
        (DecimalAmountText("1.0000001"), Reason.AMOUNT_TOO_MANY_DECIMALS, "decimal_amount", True),
    ],
)
async def test_a_wrong_minimum_names_its_path(
    world: _World, minimum: AmountText, reason: Reason, unit: str, asks: bool
) -> None:
    """What needs no token is refused before the asset is looked up."""
    error = await world.refusal(world.command(minimum=minimum))
    assert (error.reason, error.field) == (reason, f"rules.minimum_amount.{unit}")
    error = await world.refusal(world.command(minimum=minimum, asset_id=uuid4()))
    assert (error.reason is Reason.ASSET_NOT_YET_KNOWN) is asks


@pytest.mark.parametrize(
    ("pays", "rules", "minimum", "field"),
    [
        (Dividend(1), PayeeRules(withholding_basis_points=1), None, "withholding_percentage"),
        (Coupon(1), PayeeRules(withholding_by_holder={"0x" + "22" * 20: 1}), None, "withholding_rates"),
        (Redemption(), PayeeRules(excluded=frozenset({"0x" + "11" * 20})), None, "excluded_holders"),
        (Redemption(), NO_RULES, BaseUnitsText("1"), "minimum_amount"),
        (Redemption(), NO_RULES, DecimalAmountText("1"), "minimum_amount"),
        (Dividend(1), replace(_RULES, withholding_basis_points=0), None, "excluded_share"),
    ],
)
async def test_rules_that_the_kind_cannot_be_paid_by_are_refused(
    world: _World,
    pays: Dividend | Coupon | Redemption,
    rules: PayeeRules,
    minimum: AmountText | None,
    field: str,
) -> None:
    queries = DistributionQueries(FakeReader(world.store), world.store.new_unit_of_work, world.payouts)
    for call in (
        world.use_case.run(world.command(pays, rules=rules, minimum=minimum, allow_unfunded=True)),
        queries.preview(world.asset_id, WrittenTerms(pays, rules, minimum)),
    ):
        with pytest.raises(UnsupportedRuleError) as caught:
            await call
        assert caught.value.field == field
    assert (world.payouts.asked, world.store.events) == ([], [])


async def test_a_percentage_of_a_token_without_holders(world: _World) -> None:
    world.payouts.preview_answer = preview(holder_count=0)
    error = await world.refusal(world.command(PercentageText("5"), allow_unfunded=True))
    assert error.reason is Reason.NO_HOLDERS


@pytest.mark.parametrize("state", [AssetState.IMPORTING, AssetState.FAILED])
async def test_an_asset_that_is_not_active_is_not_yet_known(world: _World, state: AssetState) -> None:
    error = await world.refusal(world.command(asset_id=world.know(state)))
    assert (error.reason, error.field) == (Reason.ASSET_NOT_YET_KNOWN, "asset")


async def test_an_unknown_asset_is_not_yet_known(world: _World) -> None:
    error = await world.refusal(world.command(asset_id=uuid4()))
    assert (error.reason, error.field) == (Reason.ASSET_NOT_YET_KNOWN, "asset")


async def test_no_holders(world: _World) -> None:
    world.payouts.preview_answer = preview(holder_count=0)
    error = await world.refusal(world.command(allow_unfunded=True))
    assert (error.reason, error.field) == (Reason.NO_HOLDERS, "asset")


async def test_insufficient_funds_are_told_in_figures(world: _World) -> None:
    world.payouts.preview_answer = preview(available=400_000, shortfall=599_999)
    error = await world.refusal(world.command())

    assert (error.reason, error.field) == (Reason.INSUFFICIENT_FUNDS, "total_amount")
    assert error.metadata == {
        "required_base_units": "999999",
        "available_base_units": "400000",
        "shortfall_base_units": "599999",
        "payment_token": str(TOKEN.address),
        "lifecycle_contract": str(LIFECYCLE_CONTRACT),
    }


async def test_allow_unfunded_does_not_refuse_for_lack_of_funds(world: _World) -> None:
    world.payouts.preview_answer = preview(available=0, shortfall=1)
    distribution = await world.use_case.run(world.command(allow_unfunded=True))
    assert distribution.allow_unfunded


@pytest.mark.parametrize(
    "reason",
    [
        Reason.CHAIN_UNAVAILABLE,
        Reason.CORPORATE_ACTION_NOT_FOUND,
        Reason.CORPORATE_ACTION_CANCELLED,
        Reason.NOT_A_BOND,
        Reason.RULE_NOT_SUPPORTED,
    ],
)
async def test_a_refusal_of_payout_service_is_passed_on(world: _World, reason: Reason) -> None:
    world.payouts.error = AppError(reason, "payout_service says so")
    assert (await world.refusal(world.command())) is world.payouts.error


async def test_a_repeated_request_returns_the_distribution_as_it_is_now(world: _World) -> None:
    command = world.command()
    first = await world.use_case.run(command)
    world.payouts.error = AppError(Reason.PEER_UNAVAILABLE, "away: a repeated request does not ask")
    second = await world.use_case.run(command)

    assert second == first
    assert len(world.store.distributions) == 1
    assert len(world.store.events) == 1


async def test_a_request_id_used_for_other_content_is_refused(world: _World) -> None:
    key = request_key("one")
    await world.use_case.run(world.command(key=key))
    error = await world.refusal(world.command(key=request_key("other", key.request_id)))
    assert (error.reason, error.field) == (Reason.REQUEST_ID_REUSED, "request_id")


async def test_the_loser_of_a_race_returns_the_winners_distribution(world: _World) -> None:
    command = world.command()
    # While the first waits for payout_service, the same request runs to its end.
    world.payouts.before_answer = lambda: world.use_case.run(command)
    distribution = await world.use_case.run(command)

    assert list(world.store.distributions) == [distribution.distribution_id]
    assert len(world.store.events) == 1
    assert len(world.payouts.asked) == 2


async def test_the_loser_of_a_race_with_other_content_is_refused(world: _World) -> None:
    key = request_key("one")
    winner = world.command(key=request_key("other", key.request_id))
    world.payouts.before_answer = lambda: world.use_case.run(winner)
    with pytest.raises(AppError) as caught:
        await world.use_case.run(world.command(key=key))

    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert len(world.store.distributions) == 1
