"""Generates docs/state-machines.md from the tables of legal transitions in the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, cast

from asset_service.domain.asset import LEGAL_TRANSITIONS as ASSET_TRANSITIONS
from asset_service.domain.asset import PAUSE_TRANSITIONS, AssetState, PauseState
from chain_sync_service.domain.listener import LEGAL_TRANSITIONS as LISTENER_TRANSITIONS
from chain_sync_service.domain.listener import ListenerState
from deploy.docs.descriptors import ProtoFile
from deploy.docs.markdown import document, generated_note, table
from distribution_service.domain.states import LEGAL_TRANSITIONS as DISTRIBUTION_TRANSITIONS
from distribution_service.domain.states import DistributionState
from payout_service.domain.lifecycle import LIFECYCLE_TRANSITIONS, LifecycleState
from payout_service.domain.payments import PAYMENT_TRANSITIONS, PaymentState
from payout_service.domain.payout import TRANSITIONS as PAYOUT_TRANSITIONS
from payout_service.domain.payout import WORKED_STATES, PayoutState
from payout_service.domain.sweep import SWEEP_TRANSITIONS, SweepState
from payout_service.domain.transaction import INTENT_TRANSITIONS, IntentState

State = TypeVar("State", bound=StrEnum)
_NOBODY = "nobody: final"
_COMMENTED_STATE = re.compile(r"((?:^ +# .*\n)+) +([A-Z_]+) = ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Machine:
    """A state machine.

    `enum` names the proto enum whose comments explain the states; without it the code's comments do.
    """

    title: str
    source: str
    first: StrEnum
    transitions: Mapping[StrEnum, frozenset[StrEnum]]
    owners: Mapping[StrEnum, str]
    enum: str = ""


def state_machines(files: Sequence[ProtoFile]) -> str:
    """Returns the text of docs/state-machines.md."""
    comments = {
        (enum.full_name, value.name.removeprefix(f"{_upper_snake(enum.full_name)}_")): value.comment
        for file in files
        for message in file.messages
        for enum in message.enums
        for value in enum.values
    }
    lines = [
        "# State machines",
        "",
        generated_note("the tables of legal transitions in the code"),
        "",
        "A state changes only through a verb of its aggregate, and the verb looks the change up in the table that",
        "is drawn here. Every state that is not final has an owner that moves it on.",
        "",
    ]
    for machine in _machines():
        lines += _section(machine, comments)
    return document(lines)


def _machines() -> list[_Machine]:
    return [
        _Machine(
            "Asset",
            "asset_service/domain/asset.py",
            AssetState.IMPORTING,
            _generic(ASSET_TRANSITIONS),
            {
                AssetState.IMPORTING: "payout_service, by reporting on the lifecycle contract",
                AssetState.ACTIVE: "nobody: the asset stays payable",
            },
            "masspayout.asset.v1.Asset.State",
        ),
        _Machine(
            "Pause of an asset",
            "asset_service/domain/asset.py",
            PauseState.UNPAUSED,
            _generic(PAUSE_TRANSITIONS),
            {
                PauseState.UNPAUSED: "an operator, or whoever pauses the lifecycle contract on the chain",
                PauseState.PAUSING: "payout_service, when the transaction is final",
                PauseState.PAUSED: "an operator, or whoever unpauses the lifecycle contract on the chain",
                PauseState.UNPAUSING: "payout_service, when the transaction is final",
            },
            "masspayout.asset.v1.Asset.PauseState",
        ),
        _Machine(
            "Distribution",
            "distribution_service/domain/states.py",
            DistributionState.RELEASED,
            _generic(DISTRIBUTION_TRANSITIONS),
            {
                **{state: "payout_service, by its events" for state in DistributionState if not state.is_final},
                DistributionState.INCOMPLETE: "an operator",
                DistributionState.PAUSED: "an operator",
            },
            "masspayout.distribution.v1.Distribution.State",
        ),
        _Machine(
            "Payout",
            "payout_service/domain/payout.py",
            PayoutState.REQUESTED,
            _generic(PAYOUT_TRANSITIONS),
            {
                **dict.fromkeys(WORKED_STATES, "payout worker of payout_service"),
                PayoutState.PAUSED: "an operator; the payout worker still settles what had left",
                PayoutState.INCOMPLETE: "an operator; reconciliation, when the last dispute is settled",
            },
            "masspayout.payout.v1.Payout.State",
        ),
        _Machine(
            "Payment",
            "payout_service/domain/payments.py",
            PaymentState.PLANNED,
            _generic(PAYMENT_TRANSITIONS),
            {
                PaymentState.PLANNED: "payout worker of payout_service",
                PaymentState.IN_FLIGHT: "payout worker of payout_service, when the batch is final",
                PaymentState.WAITING: "payout worker of payout_service, when its time and its money have come",
                PaymentState.FAILED: "an operator",
                PaymentState.DISPUTED: "reconciliation, by evidence",
            },
            "masspayout.payout.v1.Payment.State",
        ),
        _Machine(
            "Lifecycle contract",
            "payout_service/domain/lifecycle.py",
            LifecycleState.DEPLOYING,
            _generic(LIFECYCLE_TRANSITIONS),
            {
                state: "lifecycle worker of payout_service"
                for state, following in LIFECYCLE_TRANSITIONS.items()
                if following
            },
            "masspayout.payout.v1.LifecycleContractChanged.State",
        ),
        _Machine(
            "Transaction intent",
            "payout_service/domain/transaction.py",
            IntentState.CREATED,
            _generic(INTENT_TRANSITIONS),
            {
                **{
                    state: "transaction worker of payout_service"
                    for state, following in INTENT_TRANSITIONS.items()
                    if following
                },
                IntentState.NONCE_LOST: "an operator, by ReconcileSigner; until then the signer stops",
            },
        ),
        _Machine(
            "Sweep",
            "payout_service/domain/sweep.py",
            SweepState.SENDING,
            _generic(SWEEP_TRANSITIONS),
            {SweepState.SENDING: "sweep worker of payout_service, when its transaction is final"},
            "masspayout.payout.v1.Sweep.State",
        ),
        _Machine(
            "Listener",
            "chain_sync_service/domain/listener.py",
            ListenerState.BACKFILLING,
            _generic(LISTENER_TRANSITIONS),
            dict.fromkeys(ListenerState, "follow worker of chain_sync_service, unless an operator stopped it"),
            "masspayout.chain_sync.v1.Listener.State",
        ),
    ]


def _upper_snake(full_name: str) -> str:
    """Returns the prefix of an enum's values: `PAUSE_STATE` for `masspayout.asset.v1.Asset.PauseState`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", full_name.rpartition(".")[2]).upper()


def _generic(transitions: Mapping[State, frozenset[State]]) -> Mapping[StrEnum, frozenset[StrEnum]]:
    """Returns the table with a type that does not depend on its enum."""
    return cast(Mapping[StrEnum, frozenset[StrEnum]], transitions)


def _section(machine: _Machine, comments: Mapping[tuple[str, str], str]) -> Iterator[str]:
    yield from (f"## {machine.title}", "", f"Table: [{machine.source}](../{machine.source})", "")
    yield from ("```mermaid", "stateDiagram-v2", f"    [*] --> {machine.first}")
    # In the order of the enum: a frozenset has none.
    states = list(type(machine.first))
    for state in states:
        for following in states:
            if following in machine.transitions[state]:
                yield f"    {state} --> {following}"
        if not machine.transitions[state] and state not in machine.owners:
            yield f"    {state} --> [*]"
    yield from ("```", "")
    meanings = {state: comments[(machine.enum, str(state))] for state in states} if machine.enum else {}
    meanings = meanings or {state: text for state in states if (text := _comments(type(state)).get(str(state)))}
    header = ("state", "moved on by", "meaning") if meanings else ("state", "moved on by")
    yield from table(
        header,
        (
            (f"`{state}`", machine.owners.get(state, _NOBODY), meanings.get(state, ""))[: len(header)]
            for state in states
        ),
    )


def _comments(enum: type[StrEnum]) -> Mapping[str, str]:
    """Returns the comment lines above each member of an enum."""
    return {
        name: " ".join(line.strip().removeprefix("# ") for line in lines.splitlines())
        for lines, name in _COMMENTED_STATE.findall(inspect.getsource(enum))
    }
