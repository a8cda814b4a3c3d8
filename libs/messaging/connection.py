"""Connects to NATS, and reconnects for ever with bounded waits."""

import logging

import nats
from nats.aio.client import Client

from libs.config import ServiceSettings

_log = logging.getLogger(__name__)
REQUEST_TIMEOUT_SECONDS = 5.0


async def connect(settings: ServiceSettings, name: str) -> Client:
    """Connects to NATS, and reconnects when the server goes away.

    Raises nats.errors.Error if the first attempt fails.
    """

    async def on_error(error: Exception) -> None:
        _log.warning("NATS: %s", repr(error))

    async def on_disconnect() -> None:
        _log.warning("NATS: disconnected")

    async def on_reconnect() -> None:
        _log.info("NATS: reconnected")

    return await nats.connect(
        settings.nats_url.get_secret_value(),
        name=name,
        connect_timeout=5,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        ping_interval=5,
        max_outstanding_pings=2,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
    )
