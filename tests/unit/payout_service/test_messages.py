"""What is paid and by which rules, in the requests, answers and events of payout_service."""

from dataclasses import asdict, fields, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from masspayout.distribution.v1 import distribution_service_pb2
from masspayout.distribution.v1 import events_pb2 as distribution_events
from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.type.v1 import amount_pb2, rules_pb2, terms_pb2

from libs.chain.quantities import BaseUnits, BlockNumber, SnapshotId, TokenUnits
from libs.errors import AppError, Reason
from libs.events import IncomingEvent
from libs.grpc_kit.accounts import checksummed
from libs.payout_terms.messages import terms_message
from libs.payout_terms.terms import (
    NO_RULES,
    Coupon,
    Dividend,
    ExcludedShare,
    FixedTotal,
    PayeeRules,
    PayoutKind,
    PayoutTerms,
    Redemption,
    ShareOfAvailable,
    WhatIsPaid,
)
from payout_service.api.answers import payment_message, preview_message
from payout_service.api.consumers import PayoutConsumers
from payout_service.api.requests import parse_payment_name
from payout_service.application.planning.preview_payout import PayoutPreview
from payout_service.application.ports.reads import PaymentView
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.plan import PlanTotals, Treatment
from payout_service.domain.progress import Progress
from payout_service.messages.resources import payout_message
from tests.support.payout.amounts import planned_payment
from tests.support.payout.memory_chain import holder
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ASSET_ID, Stage, ready_contract
from tests.support.sent_events import sent

RULES = PayeeRules(
    excluded=frozenset({holder(1), holder(2)}),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=2_637,
    withholding_by_holder={holder(3): 0},
    minimum_base_units=250,
)
TOTAL = FixedTotal(BaseUnits(1_000))
PLAN = PlanTotals(
    holder_count=9,
    zero_due_count=1,
    payable_base_units=BaseUnits(700),
    rounding_dust_base_units=BaseUnits(2),
    frozen_share_base_units=BaseUnits(3),
    plan_hash="hash",
    excluded_count=2,
    excluded_base_units=BaseUnits(120),
    withheld_base_units=BaseUnits(175),
    deferred_count=4,
    deferred_base_units=BaseUnits(40),
)


# ------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("with_plan", [True, False])
def test_a_preview_tells_what_is_withheld_excluded_and_deferred(with_plan: bool) -> None:
    rows = (
        planned_payment(0, holder(0), 10, 70, withheld_base_units=30, withholding_basis_points=3_000),
        planned_payment(1, holder(1), 5, 4, treatment=Treatment.DEFER),
    )
    message = preview_message(
        PayoutPreview(
            total_base_units=BaseUnits(1_000),
            holder_count=9,
            plan=PLAN if with_plan else None,
            largest=rows,
            available_base_units=BaseUnits(0),
            shortfall_base_units=BaseUnits(1_000),
            block_number=BlockNumber(5),
            readiness=(),
        )
    )
    figures = (
        message.gross_base_units,
        message.withheld_base_units,
        message.excluded_base_units,
        message.deferred_base_units,
    )
    assert figures == (("995", "175", "120", "40") if with_plan else ("0", "0", "0", "0"))
    assert (message.excluded_count, message.deferred_count) == ((2, 4) if with_plan else (0, 0))
    shown = [
        (each.amount_base_units, each.withheld_base_units, each.deferred) for each in message.largest_payments
    ]
    assert shown == [("70", "30", False), ("4", "0", True)]


def payout(pays: WhatIsPaid = TOTAL) -> Payout:
    terms = PayoutTerms(pays, RULES)
    is_redemption = terms.kind is PayoutKind.REDEMPTION
    return Payout(
        payout_id=uuid4(),
        asset_id=ASSET_ID,
        terms=terms,
        total_base_units=BaseUnits(1_000),
        create_time=START,
        update_time=START,
        state=PayoutState.EXECUTING,
        snapshot=Snapshot(SnapshotId(0 if is_redemption else 17), BlockNumber(5), "0xb"),
        holder_count=6,
        total_supply=TokenUnits(100),
        round_number=3 if is_redemption else 1,
        plan=PLAN,
        progress=Progress(deferred_count=2, deferred_base_units=BaseUnits(15)),
    )


@pytest.mark.parametrize(
    ("pays", "shown", "place"),
    [
        (FixedTotal(BaseUnits(1_000)), {"total_amount": {"base_units": "1000"}}, ("17", 0)),
        (ShareOfAvailable(1_250), {"percentage": "12.5"}, ("17", 0)),
        (Dividend(8), {"dividend_id": 8}, ("17", 0)),
        (Coupon(9), {"coupon_id": 9}, ("17", 0)),
        (Redemption(), {"redemption": {}}, ("", 3)),
    ],
)
def test_a_payout_shows_what_it_pays(pays: WhatIsPaid, shown: dict[str, Any], place: tuple[str, int]) -> None:
    message = payout_message(payout(pays), ready_contract())
    rules = terms_message(PayoutTerms(pays, RULES)).rules
    assert rules.minimum_amount.base_units == "250"
    assert message.terms == terms_pb2.PayoutTerms(rules=rules, **shown)
    assert (message.snapshot_id, message.round) == place


def test_a_payout_shows_what_stays_and_what_waits() -> None:
    told = payout_message(payout(), ready_contract()).progress
    assert (told.excluded_count, told.deferred_count) == (2, 2)
    amounts = (told.excluded_amount, told.withheld_amount, told.deferred_amount)
    assert [amount.base_units for amount in amounts] == ["120", "175", "15"]


def test_no_figure_of_the_progress_is_left_out() -> None:
    source = payout()
    figures: dict[str, Any] = {each.name: number for number, each in enumerate(fields(Progress), 1)}
    source.progress = Progress(**figures)
    told = payout_message(source, ready_contract()).progress
    assert {field.name for field, _ in told.ListFields()} == set(told.DESCRIPTOR.fields_by_name)
    assert {each.name: getattr(told, each.name) for each in fields(Progress) if each.name.endswith("_count")} == {
        name: figure for name, figure in asdict(source.progress).items() if name.endswith("_count")
    }


def test_before_its_plan_a_payout_shows_none_of_it() -> None:
    source = payout(Redemption())
    source.plan = source.snapshot = None
    source.terms, source.progress = PayoutTerms(Redemption()), Progress()
    message = payout_message(source, ready_contract())
    told = message.progress
    assert not message.terms.HasField("rules")
    assert not any(told.HasField(name) for name in ("excluded_amount", "withheld_amount"))
    assert (message.round, told.excluded_count, told.deferred_amount.base_units) == (0, 0, "0")


def test_the_holders_of_a_redemption_are_those_of_all_rounds() -> None:
    source = payout(Redemption())
    assert payout_message(source, ready_contract()).progress.holder_count == 9
    source.plan = None
    assert payout_message(source, ready_contract()).progress.holder_count == 6


def payment(**changes: Any) -> PaymentView:
    view = PaymentView(
        ordinal=0,
        holder=holder(0xABC),
        balance=TokenUnits(10),
        amount_base_units=BaseUnits(70),
        state=PaymentState.PAID,
        reason="",
        detail="",
        tries=1,
        retry_time=None,
        batch_number=1,
        transaction_hash="",
        update_time=START,
        withheld_base_units=BaseUnits(30),
        excluded_base_units=BaseUnits(0),
        withholding_basis_points=3_050,
        round_number=1,
    )
    return replace(view, **changes)


def test_a_payment_shows_gross_withheld_and_net() -> None:
    message = payment_message(UUID(int=1), payment(), ready_contract())
    amounts = (message.gross_amount, message.withheld_amount, message.amount)
    assert [amount.base_units for amount in amounts] == ["100", "30", "70"]
    assert (message.withholding_percentage, message.round) == ("30.5", 1)


def test_an_excluded_payment_shows_the_share_that_stays() -> None:
    excluded = payment(
        amount_base_units=0,
        withheld_base_units=0,
        withholding_basis_points=0,
        excluded_base_units=55,
        state=PaymentState.EXCLUDED,
    )
    message = payment_message(UUID(int=1), excluded, ready_contract())
    assert (message.state, message.gross_amount.base_units) == (pb.Payment.STATE_EXCLUDED, "55")
    assert (message.amount.base_units, message.withholding_percentage) == ("0", "")


@pytest.mark.parametrize("state", PaymentState)
def test_every_state_of_a_payment_has_its_name(state: PaymentState) -> None:
    message = payment_message(UUID(int=1), payment(state=state), ready_contract())
    assert pb.Payment.State.Name(message.state) == f"STATE_{state.value}"


@pytest.mark.parametrize(("round_number", "end"), [(1, ""), (2, "-2"), (9, "-9"), (10, "-10"), (16, "-16")])
def test_a_payment_of_a_later_round_has_a_name_of_its_own(round_number: int, end: str) -> None:
    payout_id, address = UUID(int=1), checksummed(holder(0xABC))
    name = payment_message(payout_id, payment(round_number=round_number), ready_contract()).name
    assert name == f"payouts/{payout_id}/payments/{address}{end}"
    assert parse_payment_name(name)[0] == payout_id
    assert (parse_payment_name(name)[1].value, parse_payment_name(name)[2]) == (holder(0xABC), round_number)


@pytest.mark.parametrize("end", ["-", "-0", "-1", "-01", "-02", "--2", "-x", "-2-3", "-2\n", "/2", "-1234567890"])
def test_a_payment_has_one_name(end: str) -> None:
    name = f"payouts/{UUID(int=1)}/payments/{holder(0xABC)}{end}"
    with pytest.raises(AppError) as caught:
        parse_payment_name(name)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_RESOURCE_NAME, "name")


# ------------------------------------------------------------------------------------------------ events


def released(
    payout_id: UUID,
    terms: terms_pb2.PayoutTerms,
    *,
    asset: str = f"assets/{ASSET_ID}",
    total: str = "0",
) -> IncomingEvent:
    message = distribution_events.DistributionReleased(
        distribution_id=str(payout_id), version=1, asset_id=str(ASSET_ID)
    )
    message.distribution.MergeFrom(
        distribution_service_pb2.Distribution(
            name=f"distributions/{payout_id}",
            asset=asset,
            total_amount=amount_pb2.TokenAmount(base_units=total),
            terms=terms,
        )
    )
    message.distribution.create_time.FromDatetime(START)
    return sent(payout_id, message)


@pytest.mark.parametrize(
    "pays", [FixedTotal(BaseUnits(7)), ShareOfAvailable(1), Dividend(8), Coupon(9), Redemption()]
)
@pytest.mark.parametrize("rules", [NO_RULES, RULES])
async def test_a_released_distribution_becomes_a_payout_on_its_terms(pays: WhatIsPaid, rules: PayeeRules) -> None:
    stage, payout_id, terms = Stage(), uuid4(), PayoutTerms(pays, rules)
    await stage.add_asset()
    event = released(payout_id, terms_message(terms), total="7" if pays == FixedTotal(BaseUnits(7)) else "0")
    await PayoutConsumers(stage.engine).on_distribution_released(event)

    requested = stage.payout(payout_id)
    assert requested.terms == terms
    assert requested.total_base_units == terms.total_base_units


@pytest.mark.parametrize(
    "terms",
    [
        terms_pb2.PayoutTerms(),
        terms_pb2.PayoutTerms(dividend_id=0),
        terms_pb2.PayoutTerms(
            redemption=terms_pb2.Redemption(), rules=rules_pb2.PayeeRules(excluded_holders=["0x12"])
        ),
    ],
)
async def test_a_release_with_malformed_terms_makes_no_payout(terms: terms_pb2.PayoutTerms) -> None:
    stage, payout_id = Stage(), uuid4()
    await stage.add_asset()
    with pytest.raises(ValueError, match="no terms of a payout"):
        await PayoutConsumers(stage.engine).on_distribution_released(released(payout_id, terms))
    assert stage.database.rows("payout") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"asset": f"assets/{UUID(int=9)}"},
        {"asset": ""},
        {"total": ""},
        {"total": "-5"},
        {"total": " 5"},
        {"total": "6"},
    ],
)
async def test_a_release_that_contradicts_itself_makes_no_payout(changes: dict[str, str]) -> None:
    stage, payout_id = Stage(), uuid4()
    await stage.add_asset()
    terms = terms_message(PayoutTerms(FixedTotal(BaseUnits(5))))
    event = released(payout_id, terms, **({"total": "5"} | changes))
    with pytest.raises(ValueError, match=r"asset|assets|base units"):
        await PayoutConsumers(stage.engine).on_distribution_released(event)
    assert stage.database.rows("payout") == {}
