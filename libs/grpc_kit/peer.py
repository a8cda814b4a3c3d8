"""Opens channels to the other services and calls them."""

from collections.abc import Awaitable
from typing import TypeVar

import grpc

from libs.grpc_kit.errors import from_rpc_error

PEER_TIMEOUT_SECONDS = 20.0
Response = TypeVar("Response")
_OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
]


def open_channel(address: str) -> grpc.aio.Channel:
    """Opens a channel to another service. It connects at its first use and reconnects by itself."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


async def call_peer(call: Awaitable[Response], peer: str) -> Response:
    """Awaits a call. Raises AppError with the other service's reason, or PEER_UNAVAILABLE."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, peer) from error
