"""Events and messages of what the engine adds: cancelled payouts, discrepancies, percentages."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from google.protobuf.message import Message
from masspayout.payout.v1 import events_pb2
from masspayout.payout.v1 import payout_service_pb2 as pb

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind, Finding
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.progress import Progress
from payout_service.messages.events import (
    discrepancy_found_event,
    discrepancy_resolved_event,
    payout_event,
)
from payout_service.messages.resources import payout_message, timestamp
from tests.support.payout.memory_database import START
from tests.support.payout.terms_of import terms_of

PAYOUT_ID, ASSET_ID, DISCREPANCY_ID = UUID(int=1), UUID(int=2), UUID(int=3)
TOKEN = EvmAddress("0x" + "ab" * 20)
LATER = START + timedelta(seconds=9)
CONTRACT = LifecycleContract(
    asset_id=ASSET_ID,
    chain_id=1,
    token=TOKEN,
    payment_token=TOKEN,
    payment_token_symbol="DUSD",
    payment_token_decimals=6,
    create_time=START,
    update_time=START,
)
FOUND = Discrepancy(
    DISCREPANCY_ID,
    ASSET_ID,
    PAYOUT_ID,
    Finding(DiscrepancyKind.PAYMENT_WITHOUT_EVIDENCE, "0xholder", "paid 5", "no transfer", "0xt"),
    START,
    LATER,
)


def parsed(message: Message, payload: bytes) -> Message:
    message.ParseFromString(payload)
    return message


def test_a_cancelled_payout_has_an_event_of_its_own() -> None:
    terms = terms_of(total=9)
    payout = Payout(PAYOUT_ID, ASSET_ID, terms, BaseUnits(9), START, LATER, state=PayoutState.CANCELLED, version=7)
    event = payout_event(payout, CONTRACT)
    assert (event.event_name, event.aggregate_id, event.aggregate_version) == ("payout_cancelled", PAYOUT_ID, 7)
    assert parsed(events_pb2.PayoutCancelled(), event.payload) == events_pb2.PayoutCancelled(
        payout_id=str(PAYOUT_ID), version=7, asset_id=str(ASSET_ID), payout=payout_message(payout, CONTRACT)
    )


def test_a_payout_shows_what_waits_and_what_was_given_up() -> None:
    payout = Payout(
        PAYOUT_ID,
        ASSET_ID,
        terms_of(percentage_basis_points=1_250),
        BaseUnits(9),
        START,
        START,
        state=PayoutState.PAUSED,
        paused_from=PayoutState.EXECUTING,
        progress=Progress(waiting_count=3, cancelled_count=4, cancelled_base_units=BaseUnits(1_500_000)),
    )
    message = payout_message(payout, CONTRACT)
    told = message.progress
    assert (message.terms.percentage, told.waiting_count, told.cancelled_count) == ("12.5", 3, 4)
    assert (told.cancelled_amount.base_units, told.cancelled_amount.decimal_amount) == ("1500000", "1.5")
    assert told.cancelled_amount.token == message.total_amount.token
    assert message.paused_from == pb.Payout.STATE_EXECUTING
    plain = payout_message(Payout(PAYOUT_ID, ASSET_ID, terms_of(total=9), BaseUnits(9), START, START), CONTRACT)
    assert (plain.terms.percentage, plain.paused_from) == ("", pb.Payout.STATE_UNSPECIFIED)


def test_a_discrepancy_is_announced_when_found_and_when_resolved() -> None:
    expected = pb.Discrepancy(
        name=f"discrepancies/{DISCREPANCY_ID}",
        kind="PAYMENT_WITHOUT_EVIDENCE",
        asset=f"assets/{ASSET_ID}",
        payout=f"payouts/{PAYOUT_ID}",
        subject="0xholder",
        expected="paid 5",
        actual="no transfer",
        transaction_hash="0xt",
        find_time=timestamp(START),
        last_seen_time=timestamp(LATER),
    )
    found = discrepancy_found_event(FOUND)
    assert found.subject == f"masspayout.payout.v1.discrepancy_found.{DISCREPANCY_ID}"
    assert (found.aggregate_version, found.create_time) == (1, START)
    assert parsed(events_pb2.DiscrepancyFound(), found.payload) == events_pb2.DiscrepancyFound(
        discrepancy_id=str(DISCREPANCY_ID), version=1, asset_id=str(ASSET_ID), discrepancy=expected
    )
    resolved = discrepancy_resolved_event(replace(FOUND, resolve_time=LATER))
    expected.resolve_time.CopyFrom(timestamp(LATER))
    assert resolved.subject == f"masspayout.payout.v1.discrepancy_resolved.{DISCREPANCY_ID}"
    assert (resolved.aggregate_version, resolved.create_time) == (2, LATER)
    assert parsed(events_pb2.DiscrepancyResolved(), resolved.payload) == events_pb2.DiscrepancyResolved(
        discrepancy_id=str(DISCREPANCY_ID), version=2, asset_id=str(ASSET_ID), discrepancy=expected
    )
    assert found.event_id != resolved.event_id
    with pytest.raises(ValueError, match="open"):
        discrepancy_resolved_event(FOUND)


def test_a_discrepancy_of_the_contract_names_no_payout() -> None:
    event = discrepancy_found_event(replace(FOUND, payout_id=None))
    message = events_pb2.DiscrepancyFound()
    message.ParseFromString(event.payload)
    assert message.discrepancy.payout == ""
