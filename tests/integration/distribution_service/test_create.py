"""CreateDistribution and PreviewDistribution, from the channel to rows and events."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import events_pb2
from masspayout.payout.v1 import payout_service_pb2
from masspayout.type.v1 import amount_pb2, readiness_pb2, rules_pb2, terms_pb2
from sqlalchemy import func, select

from distribution_service.infrastructure.tables import distributions, known_assets
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from libs.grpc_kit.errors import to_status
from tests.integration.distribution_service.support import (
    LIFECYCLE_CONTRACT,
    PAYMENT_TOKEN,
    Refusal,
    World,
    asset_imported,
    eventually,
    funded_preview,
    refused,
    resource_uuid,
    token_amount,
)

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_HOLDER = "0x" + "1a" * 20
_OTHER_HOLDER = "0x" + "2b" * 20


def _total(**amount: str) -> dict[str, Any]:
    return {"terms": {"total_amount": amount}}


def _by(rules: dict[str, Any]) -> dict[str, Any]:
    return {"terms": {"total_amount": {"base_units": "1"}, "rules": rules}}


async def test_a_distribution_is_stored_and_announced(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id, allow_unfunded=True, **_total(decimal_amount="1.5"))
    created = await world.stub.CreateDistribution(request)

    assert created.state == pb.Distribution.STATE_RELEASED
    assert created.asset == f"assets/{asset_id}"
    assert created.total_amount == token_amount(1_500_000)
    assert created.allow_unfunded
    assert created.payout == f"payouts/{resource_uuid(created.name)}"
    assert not created.HasField("progress")
    assert await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name)) == created
    assert created.terms == terms_pb2.PayoutTerms(total_amount={"base_units": "1500000"})
    assert [item.terms for item in world.payouts.asked] == [created.terms]

    async def announced() -> list[tuple[str, bytes]] | None:
        return await world.bus.events_of("distribution", resource_uuid(created.name)) or None

    ((name, payload),) = await eventually(announced, "the event is on the stream")
    event = events_pb2.DistributionReleased.FromString(payload)
    assert name == "distribution_released"
    assert (event.version, event.asset_id, event.distribution) == (1, str(asset_id), created)


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"request_id": ""}, "INVALID_REQUEST_ID", "request_id"),
        ({"request_id": "x"}, "INVALID_REQUEST_ID", "request_id"),
        ({"asset": ""}, "REQUIRED_FIELD_MISSING", "asset"),
        ({"asset": "assets/1"}, "INVALID_RESOURCE_NAME", "asset"),
        ({"asset": "distributions/00000000-0000-4000-8000-000000000000"}, "INVALID_RESOURCE_NAME", "asset"),
        ({"terms": None}, "REQUIRED_FIELD_MISSING", "terms"),
        ({"terms": {"rules": {"withholding_percentage": "1"}}}, "REQUIRED_FIELD_MISSING", "terms"),
        ({"terms": {"total_amount": {}}}, "REQUIRED_FIELD_MISSING", "terms.total_amount"),
        ({"terms": {"percentage": ""}}, "INVALID_PERCENTAGE", "terms.percentage"),
        ({"terms": {"percentage": "0"}}, "INVALID_PERCENTAGE", "terms.percentage"),
        ({"terms": {"percentage": "100.01"}}, "INVALID_PERCENTAGE", "terms.percentage"),
        ({"terms": {"dividend_id": 0}}, "INVALID_ACTION_ID", "terms.dividend_id"),
        ({"terms": {"coupon_id": -1}}, "INVALID_ACTION_ID", "terms.coupon_id"),
        (_by({"excluded_holders": [_HOLDER, _HOLDER]}), "DUPLICATE_HOLDER", "terms.rules.excluded_holders[1]"),
        (_by({"excluded_holders": [_HOLDER] * 1001}), "TOO_MANY_HOLDERS", "terms.rules.excluded_holders"),
        (
            _by({"withholding_rates": [{"holder": _HOLDER, "percentage": "101"}]}),
            "INVALID_PERCENTAGE",
            "terms.rules.withholding_rates[0].percentage",
        ),
        (
            _by({"excluded_holders": [_HOLDER], "withholding_rates": [{"holder": _HOLDER, "percentage": "1"}]}),
            "CONFLICTING_FIELDS",
            "terms.rules.withholding_rates[0].holder",
        ),
        (
            _by({"minimum_amount": {"decimal_amount": "0.0000001"}}),
            "AMOUNT_TOO_MANY_DECIMALS",
            "terms.rules.minimum_amount.decimal_amount",
        ),
        (
            _by({"minimum_amount": {"base_units": "0"}}),
            "AMOUNT_NOT_POSITIVE",
            "terms.rules.minimum_amount.base_units",
        ),
        (_total(base_units="1.0"), "INVALID_AMOUNT", "terms.total_amount.base_units"),
        (_total(base_units="0"), "AMOUNT_NOT_POSITIVE", "terms.total_amount.base_units"),
        (_total(base_units="-5"), "AMOUNT_NOT_POSITIVE", "terms.total_amount.base_units"),
        (_total(base_units=str(2**256)), "AMOUNT_TOO_LARGE", "terms.total_amount.base_units"),
        (_total(decimal_amount=""), "INVALID_AMOUNT", "terms.total_amount.decimal_amount"),
        (_total(decimal_amount="0.000000"), "AMOUNT_NOT_POSITIVE", "terms.total_amount.decimal_amount"),
        (_total(decimal_amount="1.0000001"), "AMOUNT_TOO_MANY_DECIMALS", "terms.total_amount.decimal_amount"),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_written(
    world: World, changes: dict[str, Any], reason: str, field: str
) -> None:
    asset_id = await world.import_asset()
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(world.create_request(asset_id, **changes)))

    assert refusal == Refusal(_INVALID, reason, field, {})
    assert await world.written() == before
    assert world.payouts.asked == []


async def test_the_largest_amount_survives(world: World) -> None:
    asset_id = await world.import_asset()
    created = await world.stub.CreateDistribution(
        world.create_request(asset_id, **_total(base_units=str(2**256 - 1)))
    )
    read = await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name))
    assert read.total_amount.base_units == str(2**256 - 1)


async def test_an_unknown_asset_is_not_yet_known(world: World) -> None:
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(world.create_request(uuid4())))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "ASSET_NOT_YET_KNOWN")
    assert await world.written() == before


async def test_no_holders(world: World) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer = funded_preview()
    world.payouts.answer.holder_count = 0
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(world.create_request(asset_id)))
    expected = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "NO_HOLDERS", "asset", {"block_number": "77"})
    assert refusal == expected
    assert await world.written() == before


async def test_missing_funds_are_told_or_waited_for(world: World) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer.available_base_units = "400000"
    world.payouts.answer.shortfall_base_units = "599999"
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(world.create_request(asset_id)))

    assert refusal == Refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        "INSUFFICIENT_FUNDS",
        "terms.total_amount",
        {
            "required_base_units": "999999",
            "available_base_units": "400000",
            "shortfall_base_units": "599999",
            "payment_token": PAYMENT_TOKEN.lower(),
            "lifecycle_contract": LIFECYCLE_CONTRACT.lower(),
        },
    )
    assert await world.written() == before
    created = await world.stub.CreateDistribution(world.create_request(asset_id, allow_unfunded=True))
    assert created.state == pb.Distribution.STATE_RELEASED


async def test_a_percentage_is_stored_and_announced(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id, terms={"percentage": "12.50"})
    created = await world.stub.CreateDistribution(request)

    assert (created.terms.percentage, created.total_amount) == ("12.5", token_amount(0))
    assert await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name)) == created
    (asked,) = world.payouts.asked
    assert asked.terms == terms_pb2.PayoutTerms(percentage="12.5")

    async def announced() -> list[tuple[str, bytes]] | None:
        return await world.bus.events_of("distribution", resource_uuid(created.name)) or None

    ((_, payload),) = await eventually(announced, "the event is on the stream")
    assert events_pb2.DistributionReleased.FromString(payload).distribution == created
    assert await world.stub.CreateDistribution(request) == created
    request.terms.percentage = "12.5"
    assert (await refused(world.stub.CreateDistribution(request))).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("pays", [{"dividend_id": 3}, {"coupon_id": 4}, {"redemption": {}}])
async def test_what_the_asset_has_announced_is_stored_and_announced(world: World, pays: dict[str, Any]) -> None:
    asset_id = await world.import_asset()
    created = await world.stub.CreateDistribution(world.create_request(asset_id, terms=pays))

    assert created.terms == terms_pb2.PayoutTerms(**pays)
    assert created.total_amount == token_amount(0)
    assert await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name)) == created
    asked = payout_service_pb2.PreviewPayoutRequest(asset=f"assets/{asset_id}", terms=pays)
    assert world.payouts.asked == [asked], "with amounts: else nobody knows what it takes"

    async def announced() -> list[tuple[str, bytes]] | None:
        return await world.bus.events_of("distribution", resource_uuid(created.name)) or None

    ((_, payload),) = await eventually(announced, "the event is on the stream")
    assert events_pb2.DistributionReleased.FromString(payload).distribution == created


async def test_rules_are_asked_for_stored_and_announced(world: World) -> None:
    asset_id = await world.import_asset()
    rules: dict[str, Any] = {
        "excluded_holders": [_HOLDER],
        "excluded_share": "EXCLUDED_SHARE_REDISTRIBUTE",
        "withholding_percentage": "26.37",
        "withholding_rates": [{"holder": _OTHER_HOLDER, "percentage": "0"}],
        "minimum_amount": {"decimal_amount": "2.5"},
    }
    created = await world.stub.CreateDistribution(world.create_request(asset_id, **_by(rules)))

    shown = rules_pb2.PayeeRules(
        excluded_holders=[checksummed(_HOLDER)],
        excluded_share=rules_pb2.EXCLUDED_SHARE_REDISTRIBUTE,
        withholding_percentage="26.37",
        withholding_rates=[rules_pb2.WithholdingRate(holder=checksummed(_OTHER_HOLDER), percentage="0")],
        minimum_amount=amount_pb2.AmountInput(base_units="2500000"),
    )
    assert created.terms.rules == shown
    assert await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name)) == created
    assert [asked.terms.rules for asked in world.payouts.asked] == [shown]


async def test_before_the_record_date_nothing_is_refused(world: World) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer.holder_count = 0
    world.payouts.answer.readiness.add(kind="KIND_RECORD_DATE_REACHED", satisfied=False)
    created = await world.stub.CreateDistribution(world.create_request(asset_id, terms={"dividend_id": 3}))
    assert created.state == pb.Distribution.STATE_RELEASED


async def test_a_percentage_of_nothing_is_refused_or_left_to_the_plan(world: World) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer.total_base_units = world.payouts.answer.available_base_units = "0"
    before = await world.written()
    share: dict[str, Any] = {"terms": {"percentage": "50"}}
    refusal = await refused(world.stub.CreateDistribution(world.create_request(asset_id, **share)))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_FUNDS")
    assert (refusal.field, refusal.metadata["required_base_units"]) == ("terms.percentage", "2")
    assert await world.written() == before
    request = world.create_request(asset_id, allow_unfunded=True, **share)
    assert (await world.stub.CreateDistribution(request)).state == pb.Distribution.STATE_RELEASED


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.CHAIN_UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
        (Reason.ASSET_NOT_YET_KNOWN, grpc.StatusCode.UNAVAILABLE),
        (Reason.CORPORATE_ACTION_NOT_FOUND, grpc.StatusCode.NOT_FOUND),
        (Reason.CORPORATE_ACTION_CANCELLED, grpc.StatusCode.FAILED_PRECONDITION),
        (Reason.NOT_A_BOND, grpc.StatusCode.FAILED_PRECONDITION),
        (Reason.RULE_NOT_SUPPORTED, _INVALID),
    ],
)
async def test_what_payout_service_refuses_is_passed_on(
    world: World, reason: Reason, code: grpc.StatusCode
) -> None:
    asset_id = await world.import_asset()
    world.payouts.refusal = to_status(AppError(reason, "not so", field="terms.dividend_id"))
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(world.create_request(asset_id)))
    assert (refusal.code, refusal.reason) == (code, reason.value)
    # A rich status of another code has no place for a field.
    has_field = code in (_INVALID, grpc.StatusCode.FAILED_PRECONDITION)
    assert refusal.field == ("terms.dividend_id" if has_field else None)
    assert await world.written() == before


async def test_an_answer_of_payout_service_without_amounts_is_not_taken_for_zero(world: World) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer = payout_service_pb2.PreviewPayoutResponse(holder_count=1)
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(world.create_request(asset_id)))
    assert refusal == Refusal(grpc.StatusCode.INTERNAL, "INTERNAL", None, {})
    assert await world.written() == before


async def test_concurrent_identical_requests_make_one_distribution(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id)
    answers = await asyncio.gather(*(world.stub.CreateDistribution(request) for _ in range(12)))

    assert {answer.name for answer in answers} == {answers[0].name}
    statement = select(func.count()).select_from(distributions).where(distributions.c.asset_id == asset_id)
    assert await world.scalar(statement) == 1


async def test_a_repeated_request_returns_the_present_state(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id)
    created = await world.stub.CreateDistribution(request)
    await world.tell_payout(created, 1, "EXECUTING")
    executing = await world.wait_for(created.name, "EXECUTING")
    world.payouts.refusal = to_status(AppError(Reason.CHAIN_UNAVAILABLE, "a repeated request must not ask"))

    assert await world.stub.CreateDistribution(request) == executing


async def test_a_request_id_with_other_content_is_refused(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id)
    await world.stub.CreateDistribution(request)
    request.terms.total_amount.base_units = "1000001"
    before = await world.written()
    refusal = await refused(world.stub.CreateDistribution(request))
    assert refusal == Refusal(_INVALID, "REQUEST_ID_REUSED", "request_id", {})
    assert await world.written() == before


async def test_a_late_announcement_does_not_undo_a_newer_one(world: World) -> None:
    asset_id = await world.import_asset(version=5)
    late = await world.bus.publish("asset", "asset_imported", asset_id, 4, asset_imported(asset_id, 4, decimals=9))
    await world.wait_processed(late)
    statement = select(known_assets.c.payment_token_decimals).where(known_assets.c.asset_id == asset_id)
    assert await world.scalar(statement) == 6


async def test_a_preview_shows_what_payout_service_says_and_refuses_neither_funds_nor_holders(
    world: World,
) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer = payout_service_pb2.PreviewPayoutResponse(
        total_base_units="2000000",
        holder_count=0,
        payable_base_units="10",
        rounding_dust_base_units="1",
        frozen_share_base_units="2",
        gross_base_units="18",
        withheld_base_units="5",
        excluded_base_units="6",
        excluded_count=1,
        deferred_base_units="8",
        deferred_count=2,
        available_base_units="3",
        shortfall_base_units="7",
        block_number=9,
        readiness=[
            readiness_pb2.ReadinessCondition(
                kind=readiness_pb2.ReadinessCondition.KIND_PAYOUT_ROLE_HELD, detail="seen", remedy="grant"
            )
        ],
        largest_payments=[
            payout_service_pb2.PreviewedPayoutPayment(
                holder=PAYMENT_TOKEN.lower(),
                balance_base_units="4",
                amount_base_units="1500000",
                withheld_base_units="9",
                deferred=True,
            )
        ],
    )
    before = await world.written()
    preview = await world.stub.PreviewDistribution(
        pb.PreviewDistributionRequest(asset=f"assets/{asset_id}", **_total(decimal_amount="2"))
    )

    assert preview == pb.PreviewDistributionResponse(
        total_amount=token_amount(2_000_000),
        holder_count=0,
        payable_amount=token_amount(10),
        rounding_dust=token_amount(1),
        frozen_share=token_amount(2),
        gross_amount=token_amount(18),
        withheld_amount=token_amount(5),
        excluded_amount=token_amount(6),
        excluded_count=1,
        deferred_amount=token_amount(8),
        deferred_count=2,
        available_amount=token_amount(3),
        shortfall=token_amount(7),
        block_number=9,
        readiness=world.payouts.answer.readiness,
        largest_payments=[
            pb.PreviewedPayment(
                holder=PAYMENT_TOKEN,
                balance_base_units="4",
                amount=token_amount(1_500_000),
                withheld_amount=token_amount(9),
                deferred=True,
            )
        ],
    )
    assert await world.written() == before


async def test_a_preview_of_a_percentage_shows_the_total_of_payout_service(world: World) -> None:
    asset_id = await world.import_asset()
    world.payouts.answer.total_base_units = "625000"
    request = pb.PreviewDistributionRequest(asset=f"assets/{asset_id}", terms={"percentage": "12.5"})
    preview = await world.stub.PreviewDistribution(request)

    assert preview.total_amount == token_amount(625_000)
    (asked,) = world.payouts.asked
    assert (asked.terms, asked.skip_amounts) == (terms_pb2.PayoutTerms(percentage="12.5"), False)


async def test_a_preview_refuses_bad_input(world: World) -> None:
    asset_id = await world.import_asset()
    bad = pb.PreviewDistributionRequest(asset=f"assets/{asset_id}", **_total(base_units="0"))
    assert (await refused(world.stub.PreviewDistribution(bad))).reason == "AMOUNT_NOT_POSITIVE"
    bad = pb.PreviewDistributionRequest(asset=f"assets/{asset_id}", terms={"percentage": "1e1"})
    assert (await refused(world.stub.PreviewDistribution(bad))).reason == "INVALID_PERCENTAGE"
    unknown = pb.PreviewDistributionRequest(asset=f"assets/{uuid4()}", **_total(base_units="1"))
    assert (await refused(world.stub.PreviewDistribution(unknown))).reason == "ASSET_NOT_YET_KNOWN"
