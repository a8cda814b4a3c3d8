"""What a payout would pay now, of each kind and by each rule, without changing anything."""

from fractions import Fraction

import pytest

from libs.errors import AppError, Code, Reason
from libs.payout_terms.terms import ExcludedShare, PayeeRules, PayoutKind, PayoutTerms
from payout_service.application.planning.preview_payout import PayoutPreview, preview_payout
from payout_service.domain.lifecycle import ConditionKind
from payout_service.domain.payout import PayoutState
from payout_service.domain.plan import Treatment
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import ASSET_ID, Stage
from tests.support.payout.terms_of import terms_of
from tests.unit.payout_service.payouts_of_kinds import (
    announced,
    funded_of,
    matured,
    now,
    owed_by_kind,
    principal_of,
    request_of,
)

MONEY = 100_000
HELD = (2, 3, 5, 40, 50)


async def staged(*held: int) -> Stage:
    stage = Stage(held or HELD)
    stage.chain.deposit(MONEY)
    await stage.add_asset()
    return stage


async def preview_of(stage: Stage, terms: PayoutTerms, *, with_amounts: bool = True) -> PayoutPreview:
    return await preview_payout(stage.engine, ASSET_ID, terms, with_amounts=with_amounts)


def unsatisfied(preview: PayoutPreview) -> set[ConditionKind]:
    return {each.kind for each in preview.readiness if not each.is_satisfied}


@pytest.mark.parametrize("kind", PayoutKind)
async def test_what_is_previewed_is_what_is_paid(kind: PayoutKind) -> None:
    stage = Stage(range(1, 15))
    supply = stage.chain.state.supply
    payout_id = await funded_of(stage, kind)
    terms = stage.payout(payout_id).terms
    before = len(stage.database.events)
    preview = await preview_of(stage, terms)
    assert len(stage.database.events) == before
    assert not unsatisfied(preview)
    assert preview.plan
    assert [each.amount_base_units for each in preview.largest] == [
        owed_by_kind(kind, balance, supply) for balance in range(14, 4, -1)
    ]
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    assert payout.total_base_units == preview.total_base_units
    assert preview.plan.payable_base_units == payout.progress.paid_base_units
    assert preview.holder_count == 14
    # The plan's hash is of the same rows, whether they are looked at or paid; a redemption has a later round.
    assert payout.plan
    assert preview.plan.plan_hash == payout.plan.plan_hash
    assert preview.shortfall_base_units == 0


async def test_gross_withheld_excluded_and_deferred_are_shown() -> None:
    stage = await staged()
    rules = PayeeRules(
        excluded=frozenset({holder(3)}),
        withholding_basis_points=1_000,
        withholding_by_holder={holder(4): 3_000},
        minimum_base_units=40,
    )
    preview = await preview_of(stage, terms_of(total=1_000, rules=rules))
    plan = preview.plan
    assert plan
    # Net 18, 27, 45 and 350 of 20, 30, 50 and 500; the fourth's 400 stay.
    assert (plan.payable_base_units, plan.withheld_base_units, plan.excluded_base_units) == (440, 160, 400)
    assert (plan.deferred_count, plan.deferred_base_units, plan.excluded_count) == (2, 45, 1)
    assert [(each.gross_base_units, each.amount_base_units, each.treatment) for each in preview.largest] == [
        (500, 350, Treatment.PAY),
        (50, 45, Treatment.PAY),
        (30, 27, Treatment.DEFER),
        (20, 18, Treatment.DEFER),
        (400, 0, Treatment.EXCLUDE),
    ]
    assert (preview.total_base_units, preview.available_base_units) == (1_000, MONEY)


async def test_a_spread_share_is_previewed_by_live_balances() -> None:
    stage = await staged()
    rules = PayeeRules(excluded=frozenset({holder(3), holder(99)}), excluded_share=ExcludedShare.REDISTRIBUTE)
    preview = await preview_of(stage, terms_of(total=1_000, rules=rules))
    assert preview.plan
    assert [each.amount_base_units for each in preview.largest] == [833, 83, 49, 33, 0]
    assert (preview.plan.payable_base_units, preview.plan.rounding_dust_base_units) == (998, 2)
    payout_id = await request_of(stage, total=1_000, rules=rules)
    assert (await stage.run(payout_id)).plan == preview.plan


async def test_a_preview_that_excludes_everybody_is_refused_where_their_share_would_be_spread() -> None:
    stage = await staged()
    everybody = frozenset(holder(number) for number in range(5))
    spread = PayeeRules(everybody, ExcludedShare.REDISTRIBUTE)
    with pytest.raises(AppError) as caught:
        await preview_of(stage, terms_of(total=1_000, rules=spread))
    assert (caught.value.reason, caught.value.field) == (Reason.NO_HOLDERS, "terms.rules.excluded_holders")
    kept = await preview_of(stage, terms_of(total=1_000, rules=PayeeRules(everybody)))
    assert kept.plan
    assert (kept.plan.payable_base_units, kept.plan.excluded_base_units) == (0, 1_000)


async def test_the_shortfall_of_a_total_is_of_the_whole_and_of_an_action_of_what_is_paid() -> None:
    stage = await staged()
    rules = PayeeRules(excluded=frozenset({holder(4)}))
    total = await preview_of(stage, terms_of(total=MONEY + 10, rules=rules))
    assert total.shortfall_base_units == 10
    action_id = announced(stage, 1_500)
    terms = terms_of(PayoutKind.DIVIDEND, action_id=action_id, rules=rules)
    dividend = await preview_of(stage, terms)
    assert dividend.plan
    assert (dividend.total_base_units, dividend.plan.payable_base_units) == (150_000, 75_000)
    assert dividend.shortfall_base_units == 0
    whole = await preview_of(stage, terms_of(PayoutKind.DIVIDEND, action_id=action_id))
    assert whole.shortfall_base_units == 50_000


async def test_before_the_record_date_nobody_knows_what_a_dividend_pays() -> None:
    stage = await staged()
    action_id = stage.chain.announce(now(stage) + 60, now(stage) + 60, 10)
    stage.chain.mine()
    preview = await preview_of(stage, terms_of(PayoutKind.DIVIDEND, action_id=action_id))
    assert unsatisfied(preview) == {ConditionKind.RECORD_DATE_REACHED}
    assert (preview.plan, preview.total_base_units, preview.shortfall_base_units) == (None, 0, 0)
    assert preview.holder_count == 5, "those of now"
    stage.clock.advance(100)
    stage.chain.mine()
    reached = await preview_of(stage, terms_of(PayoutKind.DIVIDEND, action_id=action_id))
    assert reached.total_base_units == 1_000


async def test_a_coupon_whose_rate_is_pending_has_no_amounts() -> None:
    stage = await staged()
    matured(stage)
    terms = terms_of(PayoutKind.COUPON, action_id=announced(stage, None))
    preview = await preview_of(stage, terms)
    assert unsatisfied(preview) == {ConditionKind.RATE_SET}
    assert (preview.plan, preview.total_base_units) == (None, 0)
    stage.chain.set_rate(terms.action_id, Fraction(7, 2))
    stage.chain.mine()
    assert (await preview_of(stage, terms)).total_base_units == 7 + 10 + 17 + 140 + 175


async def test_amounts_of_the_asset_are_read_only_when_they_are_asked_for() -> None:
    stage = await staged()
    terms = terms_of(PayoutKind.DIVIDEND, action_id=announced(stage))
    asked: list[str] = []
    stage.chain.before_answer = asked.append
    preview = await preview_of(stage, terms, with_amounts=False)
    assert (preview.plan, preview.total_base_units, preview.holder_count) == (None, 0, 5)
    assert "entitled_page" not in asked
    await preview_of(stage, terms)
    assert asked.count("entitled_page") == 2, "two pages of three"


async def test_what_a_redemption_needs_is_previewed() -> None:
    stage = await staged()
    stage.chain.become_bond(now(stage) + 1_000, 1)
    stage.chain.has_cash_out_role = stage.chain.has_redeemer_role = stage.chain.has_snapshot_role = False
    preview = await preview_of(stage, terms_of(PayoutKind.REDEMPTION))
    assert unsatisfied(preview) == {
        ConditionKind.MATURITY_REACHED,
        ConditionKind.CASH_OUT_ROLE_HELD,
        ConditionKind.REDEEMER_ROLE_HELD,
    }
    matured(stage)
    stage.chain.has_cash_out_role = stage.chain.has_redeemer_role = True
    preview = await preview_of(stage, terms_of(PayoutKind.REDEMPTION))
    assert not unsatisfied(preview)
    assert preview.total_base_units == sum(principal_of(each) for each in HELD)


@pytest.mark.parametrize(
    ("kind", "reason", "field"),
    [
        (PayoutKind.DIVIDEND, Reason.CORPORATE_ACTION_NOT_FOUND, "terms.dividend_id"),
        (PayoutKind.COUPON, Reason.CORPORATE_ACTION_NOT_FOUND, "terms.coupon_id"),
        (PayoutKind.REDEMPTION, Reason.NOT_A_BOND, "terms.redemption"),
    ],
)
async def test_what_can_never_be_paid_is_refused_by_name(kind: PayoutKind, reason: Reason, field: str) -> None:
    stage = await staged()
    with pytest.raises(AppError) as caught:
        await preview_of(stage, terms_of(kind, action_id=9))
    assert (caught.value.reason, caught.value.field) == (reason, field)


async def test_a_cancelled_dividend_is_refused_by_name() -> None:
    stage = await staged()
    action_id = announced(stage)
    stage.chain.cancel(action_id)
    stage.chain.mine()
    with pytest.raises(AppError) as caught:
        await preview_of(stage, terms_of(PayoutKind.DIVIDEND, action_id=action_id))
    assert (caught.value.reason, caught.value.field) == (Reason.CORPORATE_ACTION_CANCELLED, "terms.dividend_id")


@pytest.mark.parametrize("with_amounts", [True, False])
@pytest.mark.parametrize("is_pending", [True, False])
async def test_a_rule_that_the_contract_cannot_follow_is_refused(with_amounts: bool, is_pending: bool) -> None:
    """Whether amounts are asked for or not, and before the record date too: nobody else judges rules."""
    stage = await staged()
    action_id = stage.chain.announce(now(stage) + 60, now(stage) + 60, 10) if is_pending else announced(stage)
    stage.chain.mine()
    rules = PayeeRules(withholding_basis_points=1)
    terms = terms_of(PayoutKind.DIVIDEND, action_id=action_id, rules=rules)
    with pytest.raises(AppError) as caught:
        await preview_of(stage, terms, with_amounts=with_amounts)
    refusal = (caught.value.reason, caught.value.code, caught.value.field)
    assert refusal == (Reason.RULE_NOT_SUPPORTED, Code.INVALID_ARGUMENT, "terms.rules.withholding_percentage")


async def test_frozen_tokens_share_is_shown_apart() -> None:
    stage = await staged(40, 40)
    stage.chain.frozen = 20
    preview = await preview_of(stage, terms_of(total=1_001))
    assert preview.plan
    assert (preview.plan.payable_base_units, preview.plan.frozen_share_base_units) == (800, 200)
    assert preview.plan.rounding_dust_base_units == 1
