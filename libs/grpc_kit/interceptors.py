"""Wraps every gRPC call: sets the caller, and turns errors into rich statuses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast

import grpc

from libs.caller import ANONYMOUS, set_current_caller
from libs.grpc_kit.context import Context
from libs.grpc_kit.errors import as_app_error, to_status

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
StreamBehaviour = Callable[..., AsyncIterator[Any]]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns exceptions into statuses. An unexpected one leaves the process as INTERNAL without details."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wraps unary and server-streaming methods. We have no others."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                _guarded_unary(handler.unary_unary, method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                _guarded_stream(cast(StreamBehaviour, handler.unary_stream), method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler


def _guarded_unary(behaviour: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    async def serve(request: Any, context: Context) -> Any:
        set_current_caller(ANONYMOUS)
        try:
            return await behaviour(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await context.abort_with_status(to_status(as_app_error(error, method)))

    return serve


def _guarded_stream(
    behaviour: Callable[..., AsyncIterator[Any]], method: str
) -> Callable[..., AsyncIterator[Any]]:
    async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
        set_current_caller(ANONYMOUS)
        try:
            async for response in behaviour(request, context):
                yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await context.abort_with_status(to_status(as_app_error(error, method)))

    return serve
