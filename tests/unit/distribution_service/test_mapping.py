"""Wire to domain and back."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from masspayout.asset.v1 import asset_service_pb2
from masspayout.asset.v1 import events_pb2 as asset_events_pb2
from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import events_pb2
from masspayout.payout.v1 import events_pb2 as payout_events_pb2
from masspayout.payout.v1 import payout_service_pb2
from masspayout.type.v1 import amount_pb2

from distribution_service.api.consumers import known_asset, payout_report
from distribution_service.api.requests import list_scope, parse_amount, parse_position, position_key
from distribution_service.application.amounts import AmountText, BaseUnitsText, DecimalAmountText, PercentageText
from distribution_service.application.ports import ListPosition, PreviewedPayment, ReadinessCondition
from distribution_service.application.queries import DistributionPreview
from distribution_service.domain.asset import AssetState
from distribution_service.domain.states import DistributionState, PayoutState
from distribution_service.infrastructure.outgoing_events import outgoing_events
from distribution_service.infrastructure.resource_mapping import distribution_message, preview_message
from distribution_service.infrastructure.wire import base_units, resource_id
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from libs.messaging.events import IncomingEvent
from tests.unit.distribution_service.fakes import (
    LIFECYCLE_CONTRACT,
    TOKEN,
    incoming,
    preview,
    progress,
    released,
    released_share,
    report,
)


def test_states_are_those_of_the_protos() -> None:
    proto_states = {name.removeprefix("STATE_") for name in pb.Distribution.State.keys()}  # noqa: SIM118
    assert proto_states - {"UNSPECIFIED"} == {state.name for state in DistributionState}
    payout_states = {name.removeprefix("STATE_") for name in payout_service_pb2.Payout.State.keys()}  # noqa: SIM118
    assert payout_states - {"UNSPECIFIED"} == {state.name for state in PayoutState}
    asset_states = {name.removeprefix("STATE_") for name in asset_service_pb2.Asset.State.keys()}  # noqa: SIM118
    assert asset_states - {"UNSPECIFIED"} == {state.name for state in AssetState}


def test_a_distribution_as_it_is_shown() -> None:
    distribution = released(1_500_000)
    message = distribution_message(distribution)

    assert message.name == f"distributions/{distribution.distribution_id}"
    assert message.payout == f"payouts/{distribution.distribution_id}"
    assert message.asset == f"assets/{distribution.asset_id}"
    assert message.state == pb.Distribution.STATE_RELEASED
    assert message.total_amount == amount_pb2.TokenAmount(
        base_units="1500000", decimal_amount="1.5", decimals=6, symbol="USDC", token=checksummed(TOKEN.address)
    )
    assert not message.HasField("progress")
    assert message.etag == '"1"'


def test_progress_is_shown_after_the_first_report() -> None:
    distribution = released()
    figures = progress(paid=1, failed=0, waiting=1, cancelled=2, paid_base_units=7, cancelled_base_units=5)
    told = report(distribution, 1, PayoutState.EXECUTING, figures, waiting_for="X: y")
    message = distribution_message(distribution.apply_payout(told, distribution.create_time))

    assert message.state == pb.Distribution.STATE_EXECUTING
    assert (message.progress.paid_count, message.progress.paid_amount.base_units) == (1, "7")
    assert (message.progress.waiting_count, message.progress.cancelled_count) == (1, 2)
    assert message.progress.cancelled_amount.base_units == "5"
    assert (message.waiting_for, message.etag) == ("X: y", '"2"')


def test_a_percentage_is_shown_and_its_total_once_it_is_fixed() -> None:
    distribution = released_share(1_250)
    message = distribution_message(distribution)
    assert (message.percentage, message.total_amount.base_units) == ("12.5", "0")
    assert distribution_message(released()).percentage == ""

    told = report(distribution, 1, PayoutState.PLANNING, total_base_units=700)
    message = distribution_message(distribution.apply_payout(told, distribution.create_time))
    assert (message.percentage, message.total_amount.base_units) == ("12.5", "700")


def test_the_event_carries_the_distribution_as_it_was_then() -> None:
    distribution = released()
    (event,) = outgoing_events(distribution)
    message = events_pb2.DistributionReleased.FromString(event.payload)

    assert event.subject == f"masspayout.distribution.v1.distribution_released.{distribution.distribution_id}"
    assert (event.aggregate_version, message.version) == (1, 1)
    assert message.distribution_id == str(distribution.distribution_id)
    assert message.asset_id == str(distribution.asset_id)
    assert message.distribution == distribution_message(distribution)


def test_the_event_of_a_cancel() -> None:
    distribution = released()
    cancelled = distribution.apply_payout(report(distribution, 3, PayoutState.CANCELLED), distribution.create_time)
    (event,) = outgoing_events(cancelled)

    assert event.subject == f"masspayout.distribution.v1.distribution_cancelled.{distribution.distribution_id}"
    message = events_pb2.DistributionCancelled.FromString(event.payload)
    assert (message.version, message.distribution) == (2, distribution_message(cancelled))


def test_a_preview_as_it_is_shown() -> None:
    holder = LIFECYCLE_CONTRACT
    answer = replace(
        preview(available=5, shortfall=2, total=8),
        # 99 stands for a kind that only a newer payout_service knows.
        readiness=(ReadinessCondition(99, satisfied=False, detail="seen", remedy="do"),),
        largest_payments=(PreviewedPayment(holder, 10, 1_000_000),),
    )
    message = preview_message(DistributionPreview(TOKEN, answer))

    assert (message.total_amount.base_units, message.shortfall.base_units) == ("8", "2")
    assert (message.available_amount.decimal_amount, message.rounding_dust.base_units) == ("0.000005", "2")
    assert [(item.kind, item.remedy) for item in message.readiness] == [(99, "do")]
    (payment,) = message.largest_payments
    assert (payment.holder, payment.amount.decimal_amount) == (checksummed(holder), "1")


_ONE = amount_pb2.AmountInput(base_units="1")


@pytest.mark.parametrize(
    ("total_amount", "percentage", "expected"),
    [
        (_ONE, "", BaseUnitsText("1")),
        (amount_pb2.AmountInput(decimal_amount=""), "", DecimalAmountText("")),
        (None, "12.5", PercentageText("12.5")),
        (amount_pb2.AmountInput(), "12.5", PercentageText("12.5")),
    ],
)
def test_amounts_of_requests(
    total_amount: amount_pb2.AmountInput | None, percentage: str, expected: AmountText
) -> None:
    create = pb.CreateDistributionRequest(total_amount=total_amount, percentage=percentage)
    preview = pb.PreviewDistributionRequest(total_amount=total_amount, percentage=percentage)
    assert parse_amount(create) == parse_amount(preview) == expected


@pytest.mark.parametrize(
    ("total_amount", "percentage", "reason", "field"),
    [
        (None, "", Reason.REQUIRED_FIELD_MISSING, "total_amount"),
        (amount_pb2.AmountInput(), "", Reason.REQUIRED_FIELD_MISSING, "total_amount"),
        (_ONE, "5", Reason.CONFLICTING_FIELDS, "percentage"),
        (amount_pb2.AmountInput(decimal_amount=""), "5", Reason.CONFLICTING_FIELDS, "percentage"),
    ],
)
def test_a_request_names_exactly_one_amount(
    total_amount: amount_pb2.AmountInput | None, percentage: str, reason: Reason, field: str
) -> None:
    with pytest.raises(AppError) as caught:
        parse_amount(pb.CreateDistributionRequest(total_amount=total_amount, percentage=percentage))
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_positions_of_page_tokens_go_there_and_back() -> None:
    distribution = released()
    expected = ListPosition(distribution.create_time, distribution.distribution_id)
    assert parse_position(position_key(distribution)) == expected
    assert list_scope(None) != list_scope(distribution.asset_id)


@pytest.mark.parametrize("key", ["", "x", "2026-01-02T03:04:05+00:00 x", f"2026-01-02T03:04:05 {UUID(int=7)}"])
def test_positions_that_no_list_has_given(key: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_position(key)
    assert caught.value.reason is Reason.INVALID_PAGE_TOKEN


def _payout_event(**changes: object) -> IncomingEvent:
    distribution = released()
    payout_id = distribution.distribution_id
    message = payout_events_pb2.PayoutProgressed(payout_id=str(payout_id), version=4)
    message.payout.MergeFrom(
        payout_service_pb2.Payout(
            name=f"payouts/{payout_id}",
            distribution=f"distributions/{payout_id}",
            asset=f"assets/{distribution.asset_id}",
            state=payout_service_pb2.Payout.STATE_EXECUTING,
            total_amount=amount_pb2.TokenAmount(base_units="1000000", token=checksummed(TOKEN.address)),
            holder_count=4,
            plan_hash="ab",
            paid_count=1,
            waiting_count=2,
            cancelled_count=1,
            paid_amount=amount_pb2.TokenAmount(base_units="250000"),
            cancelled_amount=amount_pb2.TokenAmount(base_units="50000"),
        )
    )
    for name, value in changes.items():
        target = message if name in ("payout_id", "version") else message.payout
        setattr(target, name, value)
    return incoming(payout_id, "payout_progressed", 4, message.SerializeToString())


def test_a_payout_event_is_read() -> None:
    told = payout_report(_payout_event())
    assert (told.version, told.state, told.payment_token) == (4, PayoutState.EXECUTING, TOKEN.address)
    assert (told.total_base_units, told.percentage_basis_points, told.has_plan) == (1_000_000, None, True)
    assert (told.progress.paid_count, told.progress.paid_base_units) == (1, 250_000)
    assert (told.progress.waiting_count, told.progress.cancelled_count) == (2, 1)
    assert told.progress.cancelled_base_units == 50_000


def test_a_payout_event_of_a_percentage_before_its_plan_is_read() -> None:
    told = payout_report(_payout_event(percentage="12.5", plan_hash=""))
    assert (told.percentage_basis_points, told.has_plan) == (1_250, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"payout_id": str(uuid4())},
        {"version": 5},
        {"name": f"payouts/{uuid4()}"},
        {"distribution": "distribution"},
        {"state": 0},
        {"state": 99},
        {"paid_count": -1},
        {"cancelled_count": -1},
        {"percentage": "100.01"},
    ],
)
def test_a_malformed_payout_event_is_not_read(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        payout_report(_payout_event(**changes))


def _asset_event(lifecycle_contract: str) -> IncomingEvent:
    asset_id = uuid4()
    message = asset_events_pb2.AssetImported(asset_id=str(asset_id), version=2)
    message.asset.name = f"assets/{asset_id}"
    message.asset.chain_id = 298
    message.asset.state = asset_service_pb2.Asset.STATE_ACTIVE
    message.asset.payment_token.evm_address = checksummed(TOKEN.address)
    message.asset.payment_token_symbol = TOKEN.symbol
    message.asset.payment_token_decimals = TOKEN.decimals
    message.asset.lifecycle_contract.evm_address = lifecycle_contract
    return incoming(asset_id, "asset_imported", 2, message.SerializeToString())


def test_an_asset_event_is_read() -> None:
    event = _asset_event(checksummed(LIFECYCLE_CONTRACT))
    asset = known_asset(event)
    assert (asset.asset_id, asset.version, asset.chain_id) == (event.aggregate_id, 2, 298)
    assert (asset.payment_token, asset.lifecycle_contract) == (TOKEN, LIFECYCLE_CONTRACT)
    assert asset.can_be_paid
    assert known_asset(_asset_event("")).lifecycle_contract is None


@pytest.mark.parametrize("text", ["", "-1", "01", "1.0", " 1", "1_000", "\u0661", "1" * 79])
def test_amounts_of_peers_are_read_strictly(text: str) -> None:
    with pytest.raises(ValueError):
        base_units(text)


def test_names_of_peers_are_read_strictly() -> None:
    identifier = uuid4()
    assert resource_id(f"assets/{identifier}", "assets") == identifier
    for name in ("assets/", f"payouts/{identifier}", str(identifier)):
        with pytest.raises(ValueError):
            resource_id(name, "assets")
