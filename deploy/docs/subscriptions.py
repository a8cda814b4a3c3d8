"""Finds out which service consumes which event, from the services' own code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from asset_service import bootstrap as asset_bootstrap
from asset_service.config import AssetServiceSettings
from chain_sync_service.api.consumers import AssetEvents
from distribution_service.api.consumers import EventConsumers
from libs.messaging.consumer import Subscription
from libs.service import Runtime
from payout_service.api.consumers import PayoutConsumers

# What the handlers would use when an event came; none comes here.
_NOTHING = cast(Any, None)


def consumers() -> Mapping[tuple[str, str], list[str]]:
    """Returns the consuming services by (context, event name)."""
    found: dict[tuple[str, str], list[str]] = {}
    for service, subscriptions in asyncio.run(_subscriptions()).items():
        for subscription in subscriptions:
            for event in subscription.handlers:
                found.setdefault((subscription.context, event), []).append(service)
    return found


async def _subscriptions() -> Mapping[str, Iterable[Subscription]]:
    return {
        "asset_service": await _of_asset_service(),
        "distribution_service": EventConsumers(_NOTHING, _NOTHING, _NOTHING).subscriptions(),
        "payout_service": PayoutConsumers(_NOTHING).subscriptions(),
        "chain_sync_service": [AssetEvents(_NOTHING).subscription()],
    }


async def _of_asset_service() -> Iterable[Subscription]:
    """Returns the subscriptions of asset_service.

    It is built without a network: engine and channels connect at first use.
    """
    settings = AssetServiceSettings(
        database_url=SecretStr("postgresql://unused"),
        nats_url=SecretStr("nats://unused"),
        listen_address="unused",
        payout_address="unused:1",
        chain_sync_address="unused:1",
    )
    async with AsyncExitStack() as stack:
        engine = create_async_engine("postgresql+asyncpg://unused")
        stack.push_async_callback(engine.dispose)
        assembly = await asset_bootstrap.assemble(settings, Runtime(engine, lambda: None, stack))
        return assembly.subscriptions
