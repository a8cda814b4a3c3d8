"""Creating: what is refused, what is written, and that a repeated request makes one distribution."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from distribution_service.application.create_distribution import CreateDistribution, CreateDistributionCommand
from distribution_service.application.queries import DistributionQueries
from distribution_service.application.written_terms import DecimalAmount, WrittenTerms
from distribution_service.domain.asset import AssetState
from distribution_service.domain.events import DistributionReleased
from distribution_service.domain.states import DistributionState
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    ExcludedShare,
    FixedTotal,
    PayeeRules,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)
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

_ONE_TOKEN = FixedTotal(BaseUnits(1_000_000))


class _World:
    def __init__(self) -> None:
        self.store = Store()
        self.payouts = FakePayouts(preview())
        self.use_case = CreateDistribution(self.store.new_unit_of_work, self.payouts, FakeClock(), uuid4)
        self.asset_id = self.know(AssetState.ACTIVE)

    def know(self, state: AssetState) -> UUID:
        known = asset(state)
        self.store.assets[known.asset_id] = known
        return known.asset_id

    def command(
        self,
        pays: WhatIsPaid | DecimalAmount = _ONE_TOKEN,
        key: RequestKey | None = None,
        allow_unfunded: bool = False,
        asset_id: UUID | None = None,
        rules: PayeeRules = NO_RULES,
        minimum: DecimalAmount | None = None,
    ) -> CreateDistributionCommand:
        terms = WrittenTerms(pays, rules, minimum)
        return CreateDistributionCommand(key or request_key(), asset_id or self.asset_id, terms, allow_unfunded)

    async def refusal(self, command: CreateDistributionCommand) -> AppError:
        before = self.store.copy()
        with pytest.raises(AppError) as caught:
            await self.use_case(command)
        assert self.store == before, "a refusal must write nothing"
        return caught.value


@pytest.fixture
def world() -> _World:
    return _World()


async def test_it_is_released_with_its_event_and_its_request(world: _World) -> None:
    key = request_key()
    distribution = await world.use_case(world.command(DecimalAmount("1.5"), key))

    assert distribution.state is DistributionState.RELEASED
    assert (distribution.total_base_units, distribution.payment_token) == (1_500_000, TOKEN)
    assert world.store.distributions == {distribution.distribution_id: distribution}
    assert world.store.events == [(DistributionReleased(), distribution)]
    assert world.store.requests[key.request_id].resource_id == distribution.distribution_id
    assert world.payouts.asked == [(world.asset_id, PayoutTerms(FixedTotal(BaseUnits(1_500_000))), False)]


@pytest.mark.parametrize(
    ("amount", "reason", "field"),
    [
        (DecimalAmount("1e6"), Reason.INVALID_AMOUNT, "terms.total_amount.decimal_amount"),
        (DecimalAmount("0.0"), Reason.AMOUNT_NOT_POSITIVE, "terms.total_amount.decimal_amount"),
        (DecimalAmount("1.0000000"), Reason.AMOUNT_TOO_MANY_DECIMALS, "terms.total_amount.decimal_amount"),
        (DecimalAmount(str(2**256)), Reason.AMOUNT_TOO_LARGE, "terms.total_amount.decimal_amount"),
    ],
)
async def test_wrong_amounts_are_refused_before_payout_service_is_asked(
    world: _World, amount: DecimalAmount, reason: Reason, field: str
) -> None:
    error = await world.refusal(world.command(amount))

    assert (error.reason, error.field) == (reason, field)
    assert world.payouts.asked == []


async def test_a_percentage_is_released_without_a_total(world: _World) -> None:
    distribution = await world.use_case(world.command(ShareOfAvailable(1_250)))

    assert (distribution.terms, distribution.total_base_units) == (PayoutTerms(ShareOfAvailable(1_250)), 0)
    assert world.store.events == [(DistributionReleased(), distribution)]
    assert world.payouts.asked == [(world.asset_id, PayoutTerms(ShareOfAvailable(1_250)), False)]


@pytest.mark.parametrize(
    ("basis_points", "available", "required"), [(10_000, 0, 1), (100, 99, 100), (3, 3333, 3334), (1_250, 0, 8)]
)
async def test_a_percentage_of_too_little_to_pay_anything_is_refused(
    world: _World, basis_points: int, available: int, required: int
) -> None:
    world.payouts.preview_answer, share = preview(available=available, total=0), ShareOfAvailable(basis_points)
    error = await world.refusal(world.command(share))

    assert (error.reason, error.field) == (Reason.INSUFFICIENT_FUNDS, "terms.percentage")
    assert error.metadata == {
        "required_base_units": str(required),
        "available_base_units": str(available),
        "shortfall_base_units": str(required - available),
        "payment_token": str(TOKEN.address),
        "lifecycle_contract": str(LIFECYCLE_CONTRACT),
    }
    assert (await world.use_case(world.command(share, allow_unfunded=True))).allow_unfunded
    world.payouts.preview_answer = preview(available=required, total=1)
    assert (await world.use_case(world.command(share))).total_base_units == 0


_ACTIONS = [
    (Dividend(3), "terms.dividend_id"),
    (Coupon(7), "terms.coupon_id"),
    (Redemption(), "terms.redemption"),
]


@pytest.mark.parametrize(("action", "_"), _ACTIONS)
async def test_what_the_asset_has_announced_is_released_without_a_total(
    world: _World, action: Dividend | Coupon | Redemption, _: str
) -> None:
    distribution = await world.use_case(world.command(action))

    assert (distribution.terms, distribution.total_base_units) == (PayoutTerms(action), 0)
    assert world.store.events == [(DistributionReleased(), distribution)]


@pytest.mark.parametrize(("action", "field"), _ACTIONS)
async def test_what_the_asset_has_announced_needs_its_money_too(
    world: _World, action: Dividend | Coupon | Redemption, field: str
) -> None:
    world.payouts.preview_answer = preview(available=4, shortfall=6)
    error = await world.refusal(world.command(action))

    assert (error.reason, error.field) == (Reason.INSUFFICIENT_FUNDS, field)
    assert world.payouts.asked == [(world.asset_id, PayoutTerms(action), True)], (
        "only with amounts is the shortfall known"
    )
    assert (await world.use_case(world.command(action, allow_unfunded=True))).allow_unfunded
    assert world.payouts.asked[1:] == [(world.asset_id, PayoutTerms(action), False)]


async def test_before_the_record_date_neither_holders_nor_funds_are_known(world: _World) -> None:
    answer = preview(holder_count=0, available=0, shortfall=1)
    world.payouts.preview_answer = answer
    assert (await world.refusal(world.command(Dividend(1)))).reason is Reason.NO_HOLDERS
    world.payouts.preview_answer = replace(answer, is_pending=True)
    assert (await world.use_case(world.command(Dividend(1)))).state is DistributionState.RELEASED


_RULES = PayeeRules(
    excluded=frozenset({HolderAddress("0x" + "11" * 20)}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=2_637,
    withholding_by_holder={HolderAddress("0x" + "22" * 20): 0},
)


async def test_rules_are_asked_for_and_stored_with_the_minimum_in_base_units(world: _World) -> None:
    expected = replace(_RULES, minimum_base_units=2_500_000)
    for command in (world.command(rules=expected), world.command(rules=_RULES, minimum=DecimalAmount("2.5"))):
        distribution = await world.use_case(command)
        assert distribution.terms == PayoutTerms(_ONE_TOKEN, expected)
        assert world.payouts.asked.pop() == (world.asset_id, distribution.terms, False)


@pytest.mark.parametrize(
    ("minimum", "reason"),
    [("0", Reason.AMOUNT_NOT_POSITIVE), ("1.0000001", Reason.AMOUNT_TOO_MANY_DECIMALS)],
)
async def test_a_wrong_minimum_names_its_path(world: _World, minimum: str, reason: Reason) -> None:
    error = await world.refusal(world.command(minimum=DecimalAmount(minimum)))
    assert (error.reason, error.field) == (reason, "terms.rules.minimum_amount.decimal_amount")
    error = await world.refusal(world.command(minimum=DecimalAmount(minimum), asset_id=uuid4()))
    assert error.reason is Reason.ASSET_NOT_YET_KNOWN, "who does not know the token cannot read it"


@pytest.mark.parametrize("allow_unfunded", [True, False])
@pytest.mark.parametrize(
    ("pays", "rules", "minimum", "field"),
    [
        (Dividend(1), PayeeRules(withholding_basis_points=1), None, "withholding_percentage"),
        (
            Coupon(1),
            PayeeRules(withholding_by_holder={HolderAddress("0x" + "22" * 20): 1}),
            None,
            "withholding_rates",
        ),
        (
            Redemption(),
            PayeeRules(excluded=frozenset({HolderAddress("0x" + "11" * 20)})),
            None,
            "excluded_holders",
        ),
        (Redemption(), PayeeRules(minimum_base_units=1), None, "minimum_amount"),
        (Redemption(), NO_RULES, DecimalAmount("1"), "minimum_amount"),
        (Dividend(1), replace(_RULES, withholding_basis_points=0), None, "excluded_share"),
    ],
)
async def test_rules_that_the_kind_cannot_be_paid_by_are_refused_by_payout_service(
    world: _World,
    pays: Dividend | Coupon | Redemption,
    rules: PayeeRules,
    minimum: DecimalAmount | None,
    field: str,
    allow_unfunded: bool,
) -> None:
    """Whatever else is true: it is asked on every way to a distribution, also before a record date."""
    world.payouts.preview_answer = replace(preview(holder_count=0), is_pending=True)
    queries = DistributionQueries(FakeReader(world.store), world.store.new_unit_of_work, world.payouts)
    for call in (
        world.use_case(world.command(pays, rules=rules, minimum=minimum, allow_unfunded=allow_unfunded)),
        queries.preview(world.asset_id, WrittenTerms(pays, rules, minimum)),
    ):
        with pytest.raises(AppError) as caught:
            await call
        assert (caught.value.reason, caught.value.field) == (Reason.RULE_NOT_SUPPORTED, f"terms.rules.{field}")
    assert (world.store.distributions, world.store.events) == ({}, [])


async def test_a_percentage_of_a_token_without_holders(world: _World) -> None:
    world.payouts.preview_answer = preview(holder_count=0)
    error = await world.refusal(world.command(ShareOfAvailable(500), allow_unfunded=True))
    assert error.reason is Reason.NO_HOLDERS


@pytest.mark.parametrize("state", [AssetState.IMPORTING, AssetState.FAILED])
async def test_an_asset_that_is_not_active_is_not_yet_known(world: _World, state: AssetState) -> None:
    error = await world.refusal(world.command(asset_id=world.know(state)))
    assert (error.reason, error.field) == (Reason.ASSET_NOT_YET_KNOWN, "asset")


async def test_an_unknown_asset_is_not_yet_known(world: _World) -> None:
    error = await world.refusal(world.command(asset_id=uuid4()))
    assert (error.reason, error.field) == (Reason.ASSET_NOT_YET_KNOWN, "asset")
    assert "GetAsset of asset_service tells whether the asset exists" in error.message


async def test_no_holders(world: _World) -> None:
    world.payouts.preview_answer = preview(holder_count=0)
    error = await world.refusal(world.command(allow_unfunded=True))
    assert (error.reason, error.field) == (Reason.NO_HOLDERS, "asset")


async def test_insufficient_funds_are_told_in_figures(world: _World) -> None:
    world.payouts.preview_answer = preview(available=400_000, shortfall=599_999)
    error = await world.refusal(world.command())

    assert (error.reason, error.field) == (Reason.INSUFFICIENT_FUNDS, "terms.total_amount")
    assert error.metadata == {
        "required_base_units": "999999",
        "available_base_units": "400000",
        "shortfall_base_units": "599999",
        "payment_token": str(TOKEN.address),
        "lifecycle_contract": str(LIFECYCLE_CONTRACT),
    }


async def test_allow_unfunded_does_not_refuse_for_lack_of_funds(world: _World) -> None:
    world.payouts.preview_answer = preview(available=0, shortfall=1)
    distribution = await world.use_case(world.command(allow_unfunded=True))
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
    first = await world.use_case(command)
    world.payouts.error = AppError(Reason.PEER_UNAVAILABLE, "away: a repeated request does not ask")
    second = await world.use_case(command)

    assert second == first
    assert len(world.store.distributions) == 1
    assert len(world.store.events) == 1


async def test_a_request_id_used_for_other_content_is_refused(world: _World) -> None:
    key = request_key("one")
    await world.use_case(world.command(key=key))
    error = await world.refusal(world.command(key=request_key("other", key.request_id)))
    assert (error.reason, error.field) == (Reason.REQUEST_ID_REUSED, "request_id")


async def test_the_loser_of_a_race_returns_the_winners_distribution(world: _World) -> None:
    command = world.command()
    # While the first waits for payout_service, the same request runs to its end.
    world.payouts.before_answer = lambda: world.use_case(command)
    distribution = await world.use_case(command)

    assert list(world.store.distributions) == [distribution.distribution_id]
    assert len(world.store.events) == 1
    assert len(world.payouts.asked) == 2


async def test_the_loser_of_a_race_with_other_content_is_refused(world: _World) -> None:
    key = request_key("one")
    winner = world.command(key=request_key("other", key.request_id))
    world.payouts.before_answer = lambda: world.use_case(winner)
    with pytest.raises(AppError) as caught:
        await world.use_case(world.command(key=key))

    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert len(world.store.distributions) == 1
