"""The aggregate: money owed to the holders of one asset."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from distribution_service.domain.events import (
    DistributionCancelled,
    DistributionCompleted,
    DistributionDeferred,
    DistributionFailed,
    DistributionIncomplete,
    DistributionReleased,
    DomainEvent,
)
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.payout_report import PayoutReport, Progress
from distribution_service.domain.states import STATE_OF_PAYOUT, DistributionState, is_legal
from libs.payout_terms.terms import PayoutKind, PayoutTerms

_EVENT_ON_ENTERING: Mapping[DistributionState, DomainEvent] = {
    DistributionState.COMPLETED: DistributionCompleted(),
    DistributionState.INCOMPLETE: DistributionIncomplete(),
    DistributionState.FAILED: DistributionFailed(),
    DistributionState.CANCELLED: DistributionCancelled(),
    DistributionState.DEFERRED: DistributionDeferred(),
}
# Reached only with a frozen plan in which somebody is due something, so with a total above zero.
_STATES_WITH_TOTAL = frozenset(
    {
        DistributionState.WAITING_FOR_FUNDS,
        DistributionState.EXECUTING,
        DistributionState.INCOMPLETE,
        DistributionState.DEFERRED,
    }
)


class PayoutContradictionError(Exception):
    """payout_service tells what cannot be true of this distribution. A person must look; nothing is changed."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution in one version. Its verbs return the next version with the events that it records.

    `version` counts what a reader can see change; `payout_version` is the newest report that was applied, 0
    before the first. The payment token is that of the asset when the distribution was created. A total that was
    not given is 0 until the payout reports what its plan has fixed, once; that of a redemption goes on following
    the live balances.
    """

    distribution_id: UUID
    version: int
    asset_id: UUID
    terms: PayoutTerms
    total_base_units: int
    payment_token: PaymentToken
    allow_unfunded: bool
    state: DistributionState
    payout_version: int
    progress: Progress | None
    waiting_for: str
    failure_reason: str
    create_time: datetime
    update_time: datetime
    recorded_events: tuple[DomainEvent, ...] = field(default=(), compare=False)

    @classmethod
    def release(
        cls,
        *,
        distribution_id: UUID,
        asset_id: UUID,
        terms: PayoutTerms,
        payment_token: PaymentToken,
        allow_unfunded: bool,
        now: datetime,
    ) -> Self:
        """A new distribution that may be paid at once."""
        return cls(
            distribution_id=distribution_id,
            version=1,
            asset_id=asset_id,
            terms=terms,
            total_base_units=terms.total_base_units,
            payment_token=payment_token,
            allow_unfunded=allow_unfunded,
            state=DistributionState.RELEASED,
            payout_version=0,
            progress=None,
            waiting_for="",
            failure_reason="",
            create_time=now,
            update_time=now,
            recorded_events=(DistributionReleased(),),
        )

    def apply_payout(self, report: PayoutReport, now: datetime) -> Self:
        """What the distribution is after a report of its payout; itself when the report is not newer.

        Raises PayoutContradictionError when the report cannot be true, given what is known.
        """
        if report.version <= self.payout_version:
            return self
        self._check_report(report)
        state = STATE_OF_PAYOUT[report.state]
        told = replace(
            self,
            payout_version=report.version,
            state=state,
            total_base_units=report.total_base_units,
            progress=report.progress,
            waiting_for=report.waiting_for,
            failure_reason=report.failure_reason,
            recorded_events=(),
        )
        if replace(told, payout_version=self.payout_version) == self:
            return told
        if self.state.is_final or (state is not self.state and not is_legal(self.terms.kind, self.state, state)):
            raise self._contradiction(f"it is {self.state}, the payout says {report.state}", report)
        event = _EVENT_ON_ENTERING.get(state) if state is not self.state else None
        return replace(told, version=self.version + 1, update_time=now, recorded_events=(event,) if event else ())

    def _check_report(self, report: PayoutReport) -> None:
        """A state's promise is checked against the figures that come with it, so a false one is never shown."""
        self._check_terms(report)
        self._check_total(report)
        progress = report.progress
        if progress.told_base_units > report.total_base_units:
            raise self._contradiction("the parts are more than the total", report)
        if progress.told_count > progress.holder_count:
            raise self._contradiction("more payments than holders", report)
        match STATE_OF_PAYOUT[report.state]:
            case DistributionState.COMPLETED:
                if progress.done_count != progress.holder_count:
                    raise self._contradiction("completed, but not every holder is paid or due nothing", report)
            case DistributionState.DEFERRED:
                self._check_deferred(report)
            case DistributionState.FAILED:
                if progress.paid_count or progress.paid_base_units:
                    raise self._contradiction("failed, but something was paid", report)
            case DistributionState.CANCELLED:
                self._check_cancelled(report)
            case _:
                pass

    def _check_terms(self, report: PayoutReport) -> None:
        known = (self.distribution_id, self.asset_id, self.payment_token.address)
        if known != (report.distribution_id, report.asset_id, report.payment_token):
            raise self._contradiction("distribution, asset or payment token differ", report)
        if self.terms != report.terms:
            raise self._contradiction("the terms differ", report)

    def _check_total(self, report: PayoutReport) -> None:
        """A total is fixed once, on creation or by the plan; but a redemption's follows the live balances."""
        if self.terms.kind is PayoutKind.REDEMPTION:
            return
        if self.total_base_units > 0 and report.total_base_units != self.total_base_units:
            raise self._contradiction(
                f"the total is {self.total_base_units}, the payout says {report.total_base_units}", report
            )
        state = STATE_OF_PAYOUT[report.state]
        # Nobody may be due anything of a dividend or coupon.
        is_paid_out = state is DistributionState.COMPLETED and self.terms.kind is PayoutKind.SNAPSHOT
        if report.total_base_units == 0 and (is_paid_out or state in _STATES_WITH_TOTAL):
            raise self._contradiction(f"{report.state} without a total", report)

    def _check_deferred(self, report: PayoutReport) -> None:
        progress = report.progress
        if progress.deferred_count == 0:
            raise self._contradiction("deferred, but no payment is", report)
        if progress.done_count + progress.deferred_count != progress.holder_count:
            raise self._contradiction("deferred, but others are not paid either", report)

    def _check_cancelled(self, report: PayoutReport) -> None:
        """Nothing is under way or waits any more: each holder of the plan has a last word."""
        progress = report.progress
        if not report.has_plan and (progress.paid_count or progress.paid_base_units):
            raise self._contradiction("cancelled without a plan, but something was paid", report)
        waits = progress.waiting_count or progress.deferred_count
        if waits or (report.has_plan and progress.told_count != progress.holder_count):
            raise self._contradiction("cancelled, but not every payment is settled or given up", report)

    def _contradiction(self, message: str, report: PayoutReport) -> PayoutContradictionError:
        return PayoutContradictionError(
            f"distribution {self.distribution_id}, payout version {report.version}: {message}"
        )
