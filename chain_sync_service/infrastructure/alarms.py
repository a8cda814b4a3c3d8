"""Alarms as a counter and a log line."""

import logging

from libs import telemetry

_log = logging.getLogger(__name__)


class TelemetryAlarms:
    """See the port."""

    def raise_alarm(self, name: str, text: str) -> None:
        """See the port."""
        telemetry.alarms.add(1, {"service": "chain_sync", "alarm": name})
        _log.error("%s: %s", name, text)
