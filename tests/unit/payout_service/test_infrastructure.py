"""Artifact, messages, events: nothing here opens a socket."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from eth_abi.abi import encode
from google.protobuf.message import Message
from masspayout.payout.v1 import events_pb2

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, SnapshotId, TokenUnits
from libs.config import SettingsError
from libs.evm import interfaces
from payout_service.domain.lifecycle import Condition, ConditionKind
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.plan import PlanTotals
from payout_service.domain.progress import Progress
from payout_service.domain.transaction import ContractCall
from payout_service.infrastructure.chain.lifecycle_artifact import load_artifact
from payout_service.messages.events import lifecycle_event, payout_event
from payout_service.messages.resources import amount_message, payout_message
from tests.support.payout.memory_chain import CONTRACT, PAYMENT_TOKEN, SIGNER, TOKEN
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ready_contract
from tests.support.payout.terms_of import terms_of

# ------------------------------------------------------------------------------------------------ artifact

CONSTRUCTOR = [{"type": "constructor", "inputs": [{"type": "address"}, {"type": "bytes"}]}]


def artifact() -> dict[str, object]:
    return {
        "name": "test",
        "devnet_only": True,
        "contract": "proxy",
        "creations": [
            {"name": "implementation", "abi": [], "bytecode": "0x6001", "constructor_arguments": []},
            {
                "name": "proxy",
                "abi": CONSTRUCTOR,
                "bytecode": "0x6002",
                "constructor_arguments": ["${implementation}", "${initialize_call}"],
            },
        ],
    }


def test_creations_come_in_order_with_their_arguments(tmp_path: Path) -> None:
    path = tmp_path / "artifact.json"
    path.write_text(json.dumps(artifact()))
    loaded = load_artifact(path)
    assert (loaded.is_devnet_only, loaded.contract_name) == (True, "proxy")
    assert list(loaded.creation_names) == ["implementation", "proxy"]
    first = loaded.creation("implementation", SIGNER, TOKEN, PAYMENT_TOKEN, {})
    assert first == ContractCall(None, b"\x60\x01")
    second = loaded.creation("proxy", SIGNER, TOKEN, PAYMENT_TOKEN, {"implementation": CONTRACT})
    roles = [(role, [SIGNER.value]) for role in interfaces.ALL_LIFECYCLE_ROLES]
    call = interfaces.INITIALIZE.encode(TOKEN.value, PAYMENT_TOKEN.value, roles)
    assert second.data == b"\x60\x02" + encode(["address", "bytes"], [CONTRACT.value, call])


def _set(*path: str | int, value: object) -> Callable[[dict[str, object]], object]:
    def change(content: dict[str, object]) -> object:
        place: object = content
        for part in path[:-1]:
            place = place[part]  # type: ignore[index]
        place[path[-1]] = value  # type: ignore[index]
        return content

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda content: [], "valid"),
        (lambda content: {**content, "creations": []}, "creations"),
        (lambda content: {**content, "contract": "nothing"}, "'nothing' is no creation"),
        (lambda content: {**content, "contract": "operator"}, "'operator' is no creation"),
        (_set("creations", 0, "bytecode", value="0x6"), "creations.0.bytecode"),
        (_set("creations", 0, "bytecode", value="0x"), "creations.0.bytecode"),
        (_set("creations", 0, "name", value="Implementation"), "creations.0.name"),
        (_set("creations", 0, "name", value="proxy"), "proxy"),
        (_set("creations", 0, "name", value="operator"), "the name operator is taken twice"),
        (_set("creations", 0, "surplus", value=1), "creations.0.surplus"),
        (_set("creations", 1, "constructor_arguments", 0, value="${later}"), "uses ${later} before it exists"),
        (_set("creations", 1, "constructor_arguments", value=["${implementation}"]), "wrong number of arguments"),
        (
            _set("creations", 1, "constructor_arguments", 0, value="0x12"),
            "creation proxy: the arguments do not fit",
        ),
        (_set("creations", 1, "abi", value=[{"type": "constructor", "inputs": [{}, {}]}]), "do not fit"),
    ],
)
def test_a_wrong_artifact_names_the_setting_and_the_place(
    tmp_path: Path, change: Callable[[dict[str, object]], object], what: str
) -> None:
    path = tmp_path / "artifact.json"
    path.write_text(json.dumps(change(artifact())))
    with pytest.raises(SettingsError) as caught:
        load_artifact(path)
    assert str(caught.value).startswith("PAYOUT_SERVICE_LIFECYCLE_ARTIFACT: ")
    assert what in str(caught.value)


def test_an_artifact_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"LIFECYCLE_ARTIFACT: .*No such file"):
        load_artifact(tmp_path / "none")
    (tmp_path / "text").write_text("{")
    with pytest.raises(SettingsError, match=r"LIFECYCLE_ARTIFACT: .* is not JSON"):
        load_artifact(tmp_path / "text")


# ------------------------------------------------------------------------------------------------ messages


def payout(state: PayoutState = PayoutState.EXECUTING) -> Payout:
    return Payout(
        payout_id=uuid4(),
        asset_id=ready_contract().asset_id,
        terms=terms_of(total=1_000_000),
        total_base_units=BaseUnits(1_000_000),
        create_time=START,
        update_time=START,
        state=state,
        version=9,
        snapshot=Snapshot(SnapshotId(2**255), BlockNumber(17), "0xb"),
        holder_count=3,
        total_supply=TokenUnits(2**200),
        plan=PlanTotals(
            holder_count=3,
            zero_due_count=1,
            payable_base_units=BaseUnits(900_000),
            rounding_dust_base_units=BaseUnits(2),
            frozen_share_base_units=BaseUnits(99_998),
            plan_hash="hash",
        ),
        progress=Progress(
            paid_count=1, failed_count=1, paid_base_units=BaseUnits(500_000), batch_count=4, final_batch_count=3
        ),
        waiting_for="NAME: because",
        failure_reason="reason",
    )


def test_a_payout_shows_all_that_is_known() -> None:
    source = payout()
    message = payout_message(source, ready_contract())
    assert message.name == f"payouts/{source.payout_id}"
    assert message.distribution == f"distributions/{source.payout_id}"
    assert message.State.Name(message.state) == "STATE_EXECUTING"
    assert (message.snapshot_id, message.total_supply_base_units) == (str(2**255), str(2**200))
    told = message.progress
    assert (told.paid_amount.base_units, told.paid_amount.decimal_amount) == ("500000", "0.5")
    assert (message.rounding_dust.base_units, message.frozen_share.base_units) == ("2", "99998")
    assert (told.holder_count, told.paid_count, told.failed_count, told.zero_due_count) == (3, 1, 1, 1)
    assert (told.batch_count, told.final_batch_count, message.etag) == (4, 3, '"9"')
    assert (message.waiting_for, message.failure_reason) == ("NAME: because", "reason")
    assert message.create_time.ToDatetime(tzinfo=START.tzinfo) == START


def test_a_payout_without_a_plan_leaves_its_figures_unset() -> None:
    source = payout()
    source.plan = source.snapshot = None
    message = payout_message(source, ready_contract())
    assert not message.HasField("rounding_dust")
    assert not message.HasField("frozen_share")
    assert (message.snapshot_id, message.plan_hash, message.total_supply_base_units) == ("", "", "")


@pytest.mark.parametrize("state", PayoutState)
def test_every_state_has_its_name_and_its_event(state: PayoutState) -> None:
    source = payout(state)
    event = payout_event(source, ready_contract())
    names = {
        PayoutState.COMPLETED: ("payout_completed", events_pb2.PayoutCompleted),
        PayoutState.INCOMPLETE: ("payout_incomplete", events_pb2.PayoutIncomplete),
        PayoutState.CANCELLED: ("payout_cancelled", events_pb2.PayoutCancelled),
        PayoutState.FAILED: ("payout_failed", events_pb2.PayoutFailed),
        PayoutState.DEFERRED: ("payout_deferred", events_pb2.PayoutDeferred),
    }
    name, kind = names.get(state, ("payout_progressed", events_pb2.PayoutProgressed))
    assert event.subject == f"masspayout.payout.v1.{name}.{source.payout_id}"
    message: Message = kind.FromString(event.payload)
    assert message.payout.State.Name(message.payout.state) == f"STATE_{state.value}"  # type: ignore[attr-defined]
    assert message.version == event.aggregate_version == 9  # type: ignore[attr-defined]


def test_a_version_has_one_event_id() -> None:
    source, contract = payout(), ready_contract()
    first = payout_event(source, contract)
    assert payout_event(source, contract).event_id == first.event_id
    source.version += 1
    assert payout_event(source, contract).event_id != first.event_id


def test_a_lifecycle_contract_shows_what_is_open() -> None:
    contract = ready_contract()
    contract.readiness = tuple(Condition(kind, False, "detail", "remedy") for kind in ConditionKind)
    message = events_pb2.LifecycleContractChanged.FromString(lifecycle_event(contract).payload)
    assert message.lifecycle_contract.evm_address.lower() == str(CONTRACT)
    assert message.State.Name(message.state) == "STATE_READY"
    assert [(each.satisfied, each.remedy) for each in message.readiness] == [(False, "remedy")] * len(
        ConditionKind
    )
    assert len({each.kind for each in message.readiness}) == len(ConditionKind), "each kind has a name of its own"
    contract.address = None
    message = events_pb2.LifecycleContractChanged.FromString(lifecycle_event(contract).payload)
    assert not message.HasField("lifecycle_contract")


def test_an_amount_carries_its_token() -> None:
    message = amount_message(2**256 - 1, ready_contract())
    assert message.base_units == str(2**256 - 1)
    assert (message.decimals, message.symbol) == (6, "DUSD")
    assert EvmAddress(message.token.lower()) == PAYMENT_TOKEN
