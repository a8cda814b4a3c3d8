"""Reports differences between plan, ledger and chain: a log line, a counter by kind, a gauge of open ones."""

import logging

from libs import telemetry
from payout_service.domain.discrepancy import Discrepancy

_log = logging.getLogger(__name__)
_open = telemetry.meter.create_gauge("masspayout.open_discrepancies", description="differences that are open")


class TelemetryAlarms:
    """Implements the port `DiscrepancyAlarms`."""

    def discrepancy_found(self, discrepancy: Discrepancy) -> None:
        found = discrepancy.finding
        telemetry.alarms.add(1, {"service": "payout", "alarm": found.kind.value})
        about = f"payouts/{discrepancy.payout_id}" if discrepancy.payout_id else f"assets/{discrepancy.asset_id}"
        what = f"{about} {found.subject}: expected {found.expected}, found {found.actual}"
        _log.error("%s: %s", found.kind, what)

    def discrepancies_open(self, count: int) -> None:
        _open.set(count, {"service": "payout"})
