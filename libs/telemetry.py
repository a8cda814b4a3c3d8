"""Counters, spans and logs of all services. They cost almost nothing when no exporter is configured."""

import logging
import sys

from opentelemetry import metrics

meter = metrics.get_meter("masspayout")
dead_letters = meter.create_counter("masspayout.dead_letters", description="events given up")
published_events = meter.create_counter("masspayout.published_events", description="events relayed to NATS")
worker_errors = meter.create_counter("masspayout.worker_errors", description="worker steps that raised")
alarms = meter.create_counter("masspayout.alarms", description="named differences that need a person")


def configure_logging(service: str, level: str = "INFO") -> None:
    """Logs to standard error, one line an entry, with the service's name."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level,
        format=f"%(asctime)s {service} %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    # Libraries that log every request or every reconnect attempt.
    for name in ("httpx", "web3", "nats", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
