"""Raises alarms for operators, as a counter and a log line."""

import logging

from libs import telemetry

_log = logging.getLogger(__name__)


class TelemetryAlarms:
    """Implements the port Alarms of a service. `service` is its name in metrics (`asset`)."""

    def __init__(self, service: str) -> None:
        self._service = service

    def raise_alarm(self, name: str, text: str) -> None:
        """Counts the alarm by name, and logs it."""
        telemetry.alarms.add(1, {"service": self._service, "alarm": name})
        _log.error("%s: %s", name, text)
