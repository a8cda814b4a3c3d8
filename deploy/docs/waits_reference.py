"""Generates docs/waits.md from the enums in the code: what is waited for, and why work was given up or failed."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.docs.markdown import document, generated_note, table
from payout_service.application.planning.begin_payout import NEVER_READY
from payout_service.domain.endings import FailedBecause, VoidedBecause
from payout_service.domain.waits import REASONS_WAITED_FOR, Explanation, WaitFor

_INTRODUCTION = """\
`waiting_for` of payout, distribution and sweep, `pause_problem` of an asset, `problem` of a batch and
`halted_because` of a signer are empty, or `NAME: details`. The names are stable, the details are for people.
Whoever waits looks again by itself. A text that an older version has stored may lack a name; it is shown as it
is."""
_REASONS = """\
A step of a payout that the node or another service could not answer waits by the reason of
[errors.md](errors.md#reasons-of-refused-calls). These stand there for a payout:"""
_VOIDED = """\
`problem` of a VOIDED batch (`ListBatches`) tells why it was given up. Nothing to do: its payees are in other
batches, or cancelled."""
_FAILED = """\
`failure_reason` of a FAILED payout or sweep: nothing was paid or moved, and nothing will be. Mend the cause, then
create a new distribution, or sweep again. A payout also fails for these reasons of
[errors.md](errors.md#reasons-of-refused-calls):"""


def waits_reference() -> str:
    """Returns the text of docs/waits.md."""
    waits = {each.name: each.value for each in WaitFor if each is not WaitFor.OTHER}
    voided = [(f"`{each.name}`", each.value) for each in VoidedBecause if each is not VoidedBecause.OTHER]
    failed = [(f"`{each.name}`", each.value) for each in FailedBecause]
    never = ", ".join(f"`{reason}`" for reason in sorted(NEVER_READY))
    return document(
        [
            *("# What is waited for", ""),
            *(generated_note("payout_service/domain/waits.py and endings.py"), ""),
            *(_INTRODUCTION, ""),
            *_explained(waits),
            *("## Reasons of errors", "", _REASONS, ""),
            *_explained({reason.value: explanation for reason, explanation in REASONS_WAITED_FOR.items()}),
            *("## Why a transaction was given up", "", _VOIDED, ""),
            *table(("name", "meaning"), voided),
            *("## Why a payout or a sweep failed", "", f"{_FAILED} {never}.", ""),
            *table(("name", "meaning"), failed),
        ]
    )


def _explained(explanations: Mapping[str, Explanation]) -> list[str]:
    return table(
        ("name", "meaning", "ended by", "what to do"),
        ((f"`{name}`", each.meaning, each.ended_by, each.way_out) for name, each in explanations.items()),
    )
