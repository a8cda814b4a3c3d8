"""The table: every failpoint of payout_service, the work that reaches it, and the state that it names.

A failpoint has several cases where different work reaches it in ways that matter: then the scenario has a name.
To add one: a row here (with a check in checks.py if it names a state of a new kind), a row in
docs/architecture.md. `python -m tests.chaos` refuses a failpoint of the code that has no row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deploy.local.settings import REPOSITORY
from payout_service.domain.transaction import Purpose
from tests.chaos import checks, kind_checks
from tests.chaos.checks import Check
from tests.chaos.kinds import PayACoupon, PayADividend, PayTwiceBelowAMinimum, RedeemABond
from tests.chaos.pauses import PauseAnAsset, UnpauseAnAsset
from tests.chaos.scenarios import DeployAndPay, PayAReadyAsset, Scenario, Unmined
from tests.chaos.unhappy import (
    BrokenContract,
    Cancel,
    ForeignUseOfTheKey,
    PauseAndResume,
    RefusedPayee,
    SweepLeftoverMoney,
)

_REACH = re.compile(r"failpoints\.reach\(\s*f?\"([^\"]+)\"")
_PAY = PayAReadyAsset()
_DEPLOY = DeployAndPay()
_SWEEP = SweepLeftoverMoney()
_CANCEL = Cancel()
_REFUSED_PAYEE = RefusedPayee()
_UNPAUSE = UnpauseAnAsset()
_REDEEM = RedeemABond()
_BELOW_A_MINIMUM = PayTwiceBelowAMinimum()
# Tokens have moved between the plan and the first batch, or after it.
_MOVED_BEFORE = RedeemABond(trades_at="funds.committed")
_MOVED_AMID = RedeemABond(trades_at="batch.outcome_recorded")
# The contract breaks after the first batch was sized, or the token before the first payee is tried.
_VOIDED_BATCH = BrokenContract("batch.before_store_commit", is_token=False)
_REVERTING_PAYEE = BrokenContract("funds.committed", is_token=True)


@dataclass(frozen=True, slots=True)
class Case:
    """payout_service is killed when it reaches `failpoint` for the nth time in the scenario."""

    failpoint: str
    scenario: Scenario
    check: Check
    nth: int = 1

    @property
    def name(self) -> str:
        """The failpoint, and the scenario where it is not the usual one, or the only one."""
        scenario = self.scenario.name
        is_only_one = self.failpoint.startswith(f"{scenario}.")
        return f"{self.failpoint}/{scenario}" if scenario and not is_only_one else self.failpoint

    @property
    def setting(self) -> str:
        """For PAYOUT_SERVICE_FAILPOINTS."""
        return f"{self.failpoint}@{self.nth}=kill"


def _journal(purpose: Purpose, scenario: Scenario, nth: int) -> list[Case]:
    """The places of the journal that every purpose has; signing and sending are killed at the nth transaction."""
    name, kind = purpose.value.lower(), purpose.value
    return [
        Case(f"{name}.before_journal_commit", scenario, checks.before_journal_commit(kind), nth),
        Case(f"{name}.journaled", scenario, checks.signed_not_sent(kind), nth),
        Case(f"{name}.before_broadcast", scenario, checks.signed_not_sent(kind), nth),
        Case(f"{name}.broadcast", scenario, checks.sent_not_recorded(kind), nth),
        Case(f"{name}.broadcast_recorded", scenario, checks.sent_recorded(kind), nth),
        Case(f"{name}.before_replacement_commit", Unmined(scenario, name), checks.sent_without_replacement(kind)),
        Case(f"{name}.replaced", Unmined(scenario, name), checks.replaced_not_sent(kind)),
        Case(f"{name}.before_outcome_commit", scenario, checks.receipt_not_recorded(kind)),
        Case(f"{name}.outcome_recorded", scenario, checks.outcome_recorded(kind)),
    ]


def _action(scenario: Scenario) -> list[Case]:
    """The places that matter of a dividend or a coupon; the second batch, with the first settled."""
    return [
        Case("payout.snapshot_requested", scenario, checks.snapshot_requested),
        Case("snapshot.broadcast", scenario, checks.sent_not_recorded("SNAPSHOT")),
        Case("payout.before_snapshot_commit", scenario, checks.snapshot_not_recorded),
        *_paying(scenario),
    ]


def _paying(scenario: Scenario) -> list[Case]:
    """The places that matter from the plan on."""
    return [
        Case("plan.page_stored", scenario, checks.plan_not_frozen),
        Case("funds.committed", scenario, checks.funds_committed),
        Case("batch.journaled", scenario, checks.signed_not_sent("BATCH"), nth=2),
        Case("batch.broadcast", scenario, checks.sent_not_recorded("BATCH"), nth=2),
        Case("batch.before_settle_commit", scenario, checks.batch_not_settled),
        Case("payout.before_finish_commit", scenario, checks.payout_not_finished),
    ]


CASES: tuple[Case, ...] = (
    *_journal(Purpose.CONTRACT_CREATION, _DEPLOY, nth=2),
    Case("payout.snapshot_requested", _PAY, checks.snapshot_requested),
    *_journal(Purpose.SNAPSHOT, _PAY, nth=1),
    Case("payout.before_snapshot_commit", _PAY, checks.snapshot_not_recorded),
    Case("payout.snapshot_recorded", _PAY, checks.snapshot_recorded),
    Case("plan.before_page_commit", _PAY, checks.page_not_stored),
    Case("plan.page_stored", _PAY, checks.plan_not_frozen),
    Case("plan.before_freeze_commit", _PAY, checks.plan_not_frozen),
    Case("plan.frozen", _PAY, checks.plan_frozen),
    Case("funds.before_commit", _PAY, checks.plan_frozen),
    Case("funds.committed", _PAY, checks.funds_committed),
    Case("batch.before_store_commit", _PAY, checks.batch_not_stored, nth=2),
    Case("batch.stored", _PAY, checks.batch_stored, nth=2),
    # With another batch in flight already.
    *_journal(Purpose.BATCH, _PAY, nth=2),
    Case("batch.before_settle_commit", _PAY, checks.batch_not_settled),
    Case("batch.settled", _PAY, checks.batch_settled),
    Case("batch.before_return_commit", _VOIDED_BATCH, checks.batch_not_returned),
    Case("batch.returned", _VOIDED_BATCH, checks.batch_returned),
    Case("payment.before_hold_back_commit", _REVERTING_PAYEE, checks.payment_not_held_back),
    Case("payment.before_resume_commit", _REFUSED_PAYEE, checks.payment_not_resumed),
    Case("payment.resumed", _REFUSED_PAYEE, checks.payment_resumed),
    Case("payout.before_finish_commit", _PAY, checks.payout_not_finished),
    Case("payout.finished", _PAY, checks.payout_finished),
    Case("control.before_commit", PauseAndResume(), checks.request_not_recorded("WAITING_FOR_FUNDS")),
    Case("payout.before_cancelled_commit", _CANCEL, checks.payout_not_cancelled),
    Case("payout.cancelled", _CANCEL, checks.payout_cancelled),
    Case("sweep.before_store_commit", _SWEEP, checks.sweep_not_stored),
    Case("sweep.stored", _SWEEP, checks.sweep_stored),
    *_journal(Purpose.SWEEP, _SWEEP, nth=1),
    Case("sweep.before_settle_commit", _SWEEP, checks.sweep_not_settled),
    *_journal(Purpose.PAUSE, PauseAnAsset(), nth=1),
    # The pause is final already.
    Case("pause.journaled", _UNPAUSE, checks.signed_not_sent("PAUSE"), nth=2),
    Case("pause.broadcast", _UNPAUSE, checks.sent_not_recorded("PAUSE"), nth=2),
    Case("pause.outcome_recorded", _UNPAUSE, checks.outcome_recorded("PAUSE"), nth=2),
    Case("signer.before_reconcile_commit", ForeignUseOfTheKey(), checks.signer_not_reconciled),
    Case("deferred.before_release_commit", _BELOW_A_MINIMUM, kind_checks.deferred_not_released),
    Case("deferred.released", _BELOW_A_MINIMUM, kind_checks.deferred_released),
    *_action(PayADividend()),
    *_action(PayACoupon()),
    Case("redemption.before_listing_commit", _REDEEM, kind_checks.listing_not_stored),
    Case("redemption.listed", _REDEEM, kind_checks.listed),
    *_paying(_REDEEM),
    Case("redemption.before_reprice_commit", _MOVED_BEFORE, kind_checks.not_repriced),
    Case("redemption.before_round_commit", _MOVED_AMID, kind_checks.round_not_begun),
    Case("redemption.round_begun", _MOVED_AMID, kind_checks.round_begun),
)


def failpoints_of_the_code(package: Path = REPOSITORY / "payout_service") -> set[str]:
    """Every name that the code reaches; one with a purpose in it stands for all purposes."""
    names = {
        name for path in sorted(package.rglob("*.py")) for name in _REACH.findall(path.read_text(encoding="utf-8"))
    }
    purposes = [purpose.value.lower() for purpose in Purpose]
    return {re.sub(r"{.*}", purpose, name) for name in names for purpose in (purposes if "{" in name else [""])}


def table_differences(cases: tuple[Case, ...] = CASES) -> list[str]:
    """How the table differs from the code, as sentences."""
    in_code = failpoints_of_the_code()
    in_table = [case.failpoint for case in cases]
    names = [case.name for case in cases]
    return [
        *(f"{name} is in the code and has no case" for name in sorted(in_code - set(in_table))),
        *(f"{name} has a case and is not in the code" for name in sorted(set(in_table) - in_code)),
        *(f"{name} has two cases" for name in sorted({name for name in names if names.count(name) > 1})),
    ]
