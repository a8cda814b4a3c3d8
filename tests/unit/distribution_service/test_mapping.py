"""Wire to domain and back."""

import json
from dataclasses import replace
from typing import Any, cast
from unittest.mock import MagicMock
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message
from masspayout.asset.v1 import asset_service_pb2
from masspayout.asset.v1 import events_pb2 as asset_events_pb2
from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import events_pb2
from masspayout.payout.v1 import events_pb2 as payout_events_pb2
from masspayout.payout.v1 import payout_service_pb2, payout_service_pb2_grpc
from masspayout.type.v1 import amount_pb2, progress_pb2, readiness_pb2, rules_pb2, terms_pb2

from distribution_service.api.consumers import known_asset, payout_report
from distribution_service.api.requests import list_scope, parse_position, parse_written_terms, position_key
from distribution_service.application.ports import ListPosition, PreviewedPayment, ReadinessCondition
from distribution_service.application.queries import DistributionPreview
from distribution_service.application.written_terms import DecimalAmount, WrittenTerms
from distribution_service.domain.asset import AssetState
from distribution_service.domain.states import DistributionState, PayoutState
from distribution_service.infrastructure.peers import GrpcPayoutPeer
from distribution_service.messages.events import outgoing_events
from distribution_service.messages.resources import distribution_message, preview_message
from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, HolderAddress
from libs.errors import AppError, Reason
from libs.events import IncomingEvent
from libs.grpc_kit.accounts import checksummed
from libs.payout_terms.messages import terms_message
from libs.payout_terms.stored import rules_from_json, rules_to_json
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
from libs.wire import read_base_units, read_resource_id
from tests.unit.distribution_service.fakes import (
    LIFECYCLE_CONTRACT,
    TOKEN,
    incoming,
    preview,
    progress,
    released,
    released_on,
    released_share,
    report,
)

_HOLDERS = tuple(HolderAddress("0x" + digits * 20) for digits in ("1a", "2b", "3c"))
_RULES = PayeeRules(
    excluded=frozenset(_HOLDERS[:2]),
    excluded_share=ExcludedShare.REDISTRIBUTE,
    withholding_basis_points=2_637,
    withholding_by_holder={_HOLDERS[2]: 0},
    minimum_base_units=2**70,
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
    assert (message.terms.percentage, message.total_amount.base_units) == ("12.5", "0")
    assert distribution_message(released()).terms.percentage == ""

    told = report(distribution, 1, PayoutState.PLANNING, total_base_units=700)
    message = distribution_message(distribution.apply_payout(told, distribution.create_time))
    assert (message.terms.percentage, message.total_amount.base_units) == ("12.5", "700")


@pytest.mark.parametrize(
    ("pays", "shown"),
    [
        (FixedTotal(BaseUnits(1)), {"total_amount": {"base_units": "1"}}),
        (ShareOfAvailable(1), {"percentage": "0.01"}),
        (Dividend(2**63 - 1), {"dividend_id": 2**63 - 1}),
        (Coupon(4), {"coupon_id": 4}),
        (Redemption(), {"redemption": {}}),
    ],
)
def test_what_is_paid_is_shown(pays: WhatIsPaid, shown: dict[str, Any]) -> None:
    message = distribution_message(released_on(pays))
    assert message.terms == terms_pb2.PayoutTerms(**shown)
    assert not message.terms.HasField("rules")


def test_rules_are_shown_and_stored() -> None:
    message = distribution_message(released_on(FixedTotal(BaseUnits(1)), _RULES))
    assert message.terms == terms_message(PayoutTerms(FixedTotal(BaseUnits(1)), _RULES))
    assert message.terms.rules.minimum_amount.base_units == str(2**70)


def test_what_stays_and_what_waits_is_shown() -> None:
    distribution = released()
    figures = progress(
        holders=9,
        paid=3,
        excluded=2,
        deferred=4,
        excluded_base_units=11,
        withheld_base_units=22,
        deferred_base_units=33,
    )
    told = report(distribution, 1, PayoutState.DEFERRED, figures)
    shown = distribution_message(distribution.apply_payout(told, distribution.create_time))

    assert shown.state == pb.Distribution.STATE_DEFERRED
    assert (shown.progress.excluded_count, shown.progress.deferred_count) == (2, 4)
    amounts = (shown.progress.excluded_amount, shown.progress.withheld_amount, shown.progress.deferred_amount)
    assert [amount.base_units for amount in amounts] == ["11", "22", "33"]


@pytest.mark.parametrize(
    "rules",
    [
        NO_RULES,
        _RULES,
        PayeeRules(excluded=frozenset(_HOLDERS)),
        PayeeRules(withholding_by_holder={_HOLDERS[0]: 0, _HOLDERS[1]: 10_000}),
        PayeeRules(minimum_base_units=2**256 - 1),
    ],
)
def test_rules_survive_json(rules: PayeeRules) -> None:
    stored = rules_to_json(rules)
    assert rules_from_json(json.loads(json.dumps(stored))) == rules
    assert (stored == {}) is (rules == NO_RULES)
    with pytest.raises(TypeError):
        rules_from_json({"unknown": 1})


def test_the_event_carries_the_distribution_as_it_was_then() -> None:
    distribution = released()
    (event,) = outgoing_events(distribution)
    message = events_pb2.DistributionReleased.FromString(event.payload)

    assert event.subject == f"masspayout.distribution.v1.distribution_released.{distribution.distribution_id}"
    assert (event.aggregate_version, message.version) == (1, 1)
    assert message.distribution_id == str(distribution.distribution_id)
    assert message.asset_id == str(distribution.asset_id)
    assert message.distribution == distribution_message(distribution)


@pytest.mark.parametrize(
    ("state", "name", "kind"),
    [
        (PayoutState.CANCELLED, "distribution_cancelled", events_pb2.DistributionCancelled),
        (PayoutState.DEFERRED, "distribution_deferred", events_pb2.DistributionDeferred),
    ],
)
def test_the_event_of_a_settled_distribution(state: PayoutState, name: str, kind: type[Message]) -> None:
    distribution = released()
    settled = distribution.apply_payout(report(distribution, 3, state), distribution.create_time)
    (event,) = outgoing_events(settled)

    assert event.subject == f"masspayout.distribution.v1.{name}.{distribution.distribution_id}"
    message: Any = kind.FromString(event.payload)
    assert (message.version, message.distribution) == (2, distribution_message(settled))


def test_a_preview_as_it_is_shown() -> None:
    holder = LIFECYCLE_CONTRACT
    answer = replace(
        preview(available=5, shortfall=2, total=8),
        gross_base_units=60,
        withheld_base_units=20,
        excluded_base_units=30,
        excluded_count=3,
        deferred_base_units=4,
        deferred_count=1,
        # 99 stands for a kind that only a newer payout_service knows.
        readiness=(ReadinessCondition(99, satisfied=False, detail="seen", remedy="do"),),
        largest_payments=(PreviewedPayment(holder, 10, 1_000_000, 7, is_deferred=True),),
    )
    message = preview_message(DistributionPreview(TOKEN, answer))

    assert (message.total_amount.base_units, message.shortfall.base_units) == ("8", "2")
    assert (message.available_amount.decimal_amount, message.rounding_dust.base_units) == ("0.000005", "2")
    assert [(item.kind, item.remedy) for item in message.readiness] == [(99, "do")]
    (payment,) = message.largest_payments
    assert (payment.holder, payment.amount.decimal_amount) == (checksummed(holder), "1")
    assert (payment.withheld_amount.base_units, payment.deferred) == ("7", True)
    amounts = (message.gross_amount, message.withheld_amount, message.excluded_amount, message.deferred_amount)
    assert [amount.base_units for amount in amounts] == ["60", "20", "30", "4"]
    assert (message.excluded_count, message.deferred_count) == (3, 1)


class _PayoutStub:
    """Answers and refuses as it is told."""

    def __init__(self, answer: payout_service_pb2.PreviewPayoutResponse | None = None) -> None:
        self.answer = answer
        self.error: AppError | None = None
        self.asked: list[payout_service_pb2.PreviewPayoutRequest] = []

    async def PreviewPayout(
        self, request: payout_service_pb2.PreviewPayoutRequest, timeout: float
    ) -> payout_service_pb2.PreviewPayoutResponse:
        self.asked.append(request)
        if self.error:
            raise self.error
        assert self.answer is not None
        return self.answer


def _peer(stub: _PayoutStub) -> GrpcPayoutPeer:
    peer = GrpcPayoutPeer(cast(grpc.aio.Channel, MagicMock()))
    peer._stub = cast(payout_service_pb2_grpc.PayoutServiceStub, stub)
    return peer


def _previewed(**changes: Any) -> payout_service_pb2.PreviewPayoutResponse:
    """An answer in which each amount is another."""
    amounts = {
        name: str(number)
        for number, name in enumerate(
            (
                "total",
                "payable",
                "rounding_dust",
                "frozen_share",
                "available",
                "shortfall",
                "gross",
                "withheld",
                "excluded",
                "deferred",
            ),
            1,
        )
    }
    content: dict[str, Any] = {f"{name}_base_units": amount for name, amount in amounts.items()}
    return payout_service_pb2.PreviewPayoutResponse(**(content | {"holder_count": 3} | changes))


@pytest.mark.parametrize(
    "pays", [FixedTotal(BaseUnits(5)), ShareOfAvailable(1_250), Dividend(7), Coupon(8), Redemption()]
)
async def test_payout_service_is_asked_for_what_is_paid_and_by_which_rules(pays: WhatIsPaid) -> None:
    stub, asset_id, terms = _PayoutStub(_previewed()), uuid4(), PayoutTerms(pays, _RULES)
    await _peer(stub).preview(asset_id, terms, with_amounts=False)
    (asked,) = stub.asked
    assert asked == payout_service_pb2.PreviewPayoutRequest(
        asset=f"assets/{asset_id}", skip_amounts=True, terms=terms_message(terms)
    )


async def test_a_preview_of_payout_service_is_read() -> None:
    payment = payout_service_pb2.PreviewedPayoutPayment(
        holder=_HOLDERS[0], balance_base_units="4", amount_base_units="3", withheld_base_units="2", deferred=True
    )
    stub = _PayoutStub(_previewed(excluded_count=11, deferred_count=12, largest_payments=[payment]))
    told = await _peer(stub).preview(uuid4(), PayoutTerms(Redemption()), with_amounts=True)

    assert not stub.asked[0].skip_amounts
    assert (told.total_base_units, told.payable_base_units, told.shortfall_base_units) == (1, 2, 6)
    assert (told.gross_base_units, told.withheld_base_units) == (7, 8)
    assert (told.excluded_base_units, told.deferred_base_units) == (9, 10)
    assert (told.excluded_count, told.deferred_count, told.is_pending) == (11, 12, False)
    assert told.largest_payments == (PreviewedPayment(EvmAddress(_HOLDERS[0]), 4, 3, 2, is_deferred=True),)


@pytest.mark.parametrize(
    ("kind", "satisfied", "is_pending"),
    [
        ("KIND_RECORD_DATE_REACHED", False, True),
        ("KIND_RECORD_DATE_REACHED", True, False),
        ("KIND_RATE_SET", False, True),
        ("KIND_PAYOUT_ROLE_HELD", False, False),
        ("KIND_MATURITY_REACHED", False, False),
    ],
)
async def test_a_corporate_action_is_pending_until_its_amounts_can_be_known(
    kind: str, satisfied: bool, is_pending: bool
) -> None:
    condition = readiness_pb2.ReadinessCondition(kind=kind, satisfied=satisfied)
    peer = _peer(_PayoutStub(_previewed(readiness=[condition])))
    assert (await peer.preview(uuid4(), PayoutTerms(Dividend(1)), with_amounts=True)).is_pending is is_pending


@pytest.mark.parametrize(
    "field", ["terms.total_amount.base_units", "terms.dividend_id", "terms.rules.excluded_share", None]
)
async def test_a_refusal_of_payout_service_names_our_callers_field_too(field: str | None) -> None:
    stub = _PayoutStub()
    stub.error = AppError(Reason.RULE_NOT_SUPPORTED, "no", field=field, metadata={"a": "b"})
    with pytest.raises(AppError) as caught:
        await _peer(stub).preview(uuid4(), PayoutTerms(Dividend(1)), with_amounts=True)
    assert (caught.value.reason, caught.value.field) == (Reason.RULE_NOT_SUPPORTED, field)
    assert (caught.value.message, caught.value.metadata) == ("no", {"a": "b"})


_ONE = {"base_units": "1"}


@pytest.mark.parametrize(
    ("terms", "pays"),
    [
        ({"total_amount": _ONE}, FixedTotal(BaseUnits(1))),
        ({"total_amount": {"decimal_amount": "1.5"}}, DecimalAmount("1.5")),
        ({"total_amount": {"decimal_amount": ""}}, DecimalAmount("")),
        ({"percentage": "12.5"}, ShareOfAvailable(1_250)),
        ({"dividend_id": 3}, Dividend(3)),
        ({"coupon_id": 4}, Coupon(4)),
        ({"redemption": {}}, Redemption()),
    ],
)
def test_what_requests_say_is_paid(terms: dict[str, Any], pays: WhatIsPaid | DecimalAmount) -> None:
    assert parse_written_terms(terms_pb2.PayoutTerms(**terms)) == WrittenTerms(pays)


@pytest.mark.parametrize(
    ("minimum", "base_units", "decimal"),
    [
        (None, 0, None),
        ({}, 0, None),
        ({"base_units": "5"}, 5, None),
        ({"decimal_amount": "0.5"}, 0, DecimalAmount("0.5")),
    ],
)
def test_rules_of_requests(minimum: Any, base_units: int, decimal: DecimalAmount | None) -> None:
    rules: dict[str, Any] = {"excluded_holders": [_HOLDERS[0]], "minimum_amount": minimum}
    written = parse_written_terms(terms_pb2.PayoutTerms(total_amount=_ONE, rules=rules))
    expected = PayeeRules(excluded=frozenset({_HOLDERS[0]}), minimum_base_units=base_units)
    assert written == WrittenTerms(FixedTotal(BaseUnits(1)), expected, minimum=decimal)


@pytest.mark.parametrize(
    ("terms", "reason", "field"),
    [
        ({}, Reason.REQUIRED_FIELD_MISSING, "terms"),
        ({"rules": {"withholding_percentage": "5"}}, Reason.REQUIRED_FIELD_MISSING, "terms"),
        ({"total_amount": {}}, Reason.REQUIRED_FIELD_MISSING, "terms.total_amount"),
        ({"total_amount": {"base_units": ""}}, Reason.INVALID_AMOUNT, "terms.total_amount.base_units"),
        ({"total_amount": {"base_units": "1.5"}}, Reason.INVALID_AMOUNT, "terms.total_amount.base_units"),
        ({"total_amount": {"base_units": "0"}}, Reason.AMOUNT_NOT_POSITIVE, "terms.total_amount.base_units"),
        ({"total_amount": {"base_units": "-1"}}, Reason.AMOUNT_NOT_POSITIVE, "terms.total_amount.base_units"),
        (
            {"total_amount": {"base_units": str(2**256)}},
            Reason.AMOUNT_TOO_LARGE,
            "terms.total_amount.base_units",
        ),
        ({"percentage": ""}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "0"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "100.01"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "12.345"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "-5"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "five"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"dividend_id": 0}, Reason.INVALID_ACTION_ID, "terms.dividend_id"),
        ({"dividend_id": -1}, Reason.INVALID_ACTION_ID, "terms.dividend_id"),
        ({"coupon_id": -1}, Reason.INVALID_ACTION_ID, "terms.coupon_id"),
        (
            {"redemption": {}, "rules": {"excluded_holders": ["0x12"]}},
            Reason.INVALID_ADDRESS,
            "terms.rules.excluded_holders[0]",
        ),
        *(
            (
                {"total_amount": _ONE, "rules": {"minimum_amount": {"base_units": text}}},
                reason,
                "terms.rules.minimum_amount.base_units",
            )
            for text, reason in (
                ("0", Reason.AMOUNT_NOT_POSITIVE),
                ("1.5", Reason.INVALID_AMOUNT),
                (str(2**256), Reason.AMOUNT_TOO_LARGE),
            )
        ),
    ],
)
def test_wrong_terms_are_refused_before_anything_is_looked_up(
    terms: dict[str, Any], reason: Reason, field: str
) -> None:
    with pytest.raises(AppError) as caught:
        parse_written_terms(terms_pb2.PayoutTerms(**terms))
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


def _amount(base_units: int) -> amount_pb2.TokenAmount:
    return amount_pb2.TokenAmount(base_units=str(base_units), token=checksummed(TOKEN.address))


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
            total_amount=_amount(1_000_000),
            plan_hash="ab",
            terms=terms_message(PayoutTerms(Coupon(6), _RULES)),
            progress=progress_pb2.PayoutProgress(
                holder_count=4,
                paid_count=1,
                waiting_count=2,
                cancelled_count=1,
                paid_amount=_amount(250_000),
                cancelled_amount=_amount(50_000),
                excluded_count=7,
                excluded_amount=_amount(70_000),
                withheld_amount=_amount(80_000),
                deferred_count=9,
                deferred_amount=_amount(90_000),
            ),
        )
    )
    for name, value in changes.items():
        if name in ("payout_id", "version"):
            setattr(message, name, value)
        elif name in progress_pb2.PayoutProgress.DESCRIPTOR.fields_by_name:
            setattr(message.payout.progress, name, value)
        elif isinstance(value, Message):
            getattr(message.payout, name).CopyFrom(value)
        else:
            setattr(message.payout, name, value)
    return incoming(payout_id, "payout_progressed", 4, message.SerializeToString())


def test_a_payout_event_is_read() -> None:
    told = payout_report(_payout_event())
    assert (told.version, told.state, told.payment_token) == (4, PayoutState.EXECUTING, TOKEN.address)
    assert (told.total_base_units, told.has_plan) == (1_000_000, True)
    assert (told.progress.paid_count, told.progress.paid_base_units) == (1, 250_000)
    assert (told.progress.waiting_count, told.progress.cancelled_count) == (2, 1)
    assert told.progress.cancelled_base_units == 50_000
    assert told.terms == PayoutTerms(Coupon(6), _RULES)
    assert (told.progress.excluded_count, told.progress.deferred_count) == (7, 9)
    assert (told.progress.excluded_base_units, told.progress.withheld_base_units) == (70_000, 80_000)
    assert told.progress.deferred_base_units == 90_000


def test_a_payout_event_of_a_percentage_before_its_plan_is_read() -> None:
    terms = PayoutTerms(ShareOfAvailable(1_250))
    told = payout_report(_payout_event(terms=terms_message(terms), plan_hash=""))
    assert (told.terms, told.has_plan) == (terms, False)


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
        {"terms": terms_pb2.PayoutTerms()},
        {"terms": terms_pb2.PayoutTerms(percentage="100.01")},
        {"terms": terms_pb2.PayoutTerms(coupon_id=-1)},
        {"terms": terms_pb2.PayoutTerms(total_amount=amount_pb2.AmountInput(decimal_amount="1"))},
        {"excluded_count": -1},
        {"deferred_count": -1},
    ],
)
def test_a_malformed_payout_event_is_not_read(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        payout_report(_payout_event(**changes))


def test_a_payout_event_without_progress_is_not_read() -> None:
    event = _payout_event()
    message = payout_events_pb2.PayoutProgressed.FromString(event.payload)
    message.payout.ClearField("progress")
    with pytest.raises(ValueError, match="has no progress"):
        payout_report(replace(event, payload=message.SerializeToString()))


def test_a_payout_event_with_malformed_rules_is_not_read() -> None:
    for rules in (
        rules_pb2.PayeeRules(excluded_holders=["0x12"]),
        rules_pb2.PayeeRules(minimum_amount=amount_pb2.AmountInput(decimal_amount="1")),
    ):
        with pytest.raises(ValueError, match="rules"):
            payout_report(_payout_event(terms=terms_pb2.PayoutTerms(coupon_id=6, rules=rules)))


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
        read_base_units(text)


def test_names_of_peers_are_read_strictly() -> None:
    identifier = uuid4()
    assert read_resource_id(f"assets/{identifier}", "assets") == identifier
    for name in ("assets/", f"payouts/{identifier}", str(identifier)):
        with pytest.raises(ValueError):
            read_resource_id(name, "assets")


@pytest.mark.parametrize(
    ("request_type", "total_field"), [(pb.CreateDistributionRequest, 3), (pb.PreviewDistributionRequest, 2)]
)
def test_a_total_of_a_client_made_before_the_terms_is_no_percentage(
    request_type: type[pb.CreateDistributionRequest | pb.PreviewDistributionRequest], total_field: int
) -> None:
    """Its decimal amount has the bytes that `PayoutTerms.percentage` has."""
    amount = amount_pb2.AmountInput(decimal_amount="50").SerializeToString()
    assert terms_pb2.PayoutTerms.FromString(amount).percentage == "50"
    request = request_type.FromString(bytes([total_field << 3 | 2, len(amount)]) + amount)
    with pytest.raises(AppError) as raised:
        parse_written_terms(request.terms)
    assert (raised.value.reason, raised.value.field) == (Reason.REQUIRED_FIELD_MISSING, "terms")
