"""What happens around every call: errors become statuses, the caller of the last call is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from libs.caller import ANONYMOUS, Caller, current_caller, set_current_caller
from libs.errors import AppError, Reason
from libs.grpc_kit.interceptors import ErrorInterceptor

_SOMEBODY = Caller("somebody", is_authenticated=True)


class Context:
    """Ends a call as gRPC does."""

    def __init__(self) -> None:
        self.status: Any = None

    async def abort_with_status(self, status: object) -> None:
        self.status = status
        raise grpc.aio.AbortError


async def _intercepted(handler: object) -> Any:
    async def continuation(details: object) -> object:
        return handler

    details = cast(Any, SimpleNamespace(method="/x.Y/Z"))
    return await ErrorInterceptor().intercept_service(cast(Any, continuation), details)


async def _ended_by(error: Exception, *, is_stream: bool) -> tuple[Context, list[object]]:
    """The call's context and what was sent before the error."""
    context, sent = Context(), list[object]()

    async def unary(request: object, context: object) -> object:
        raise error

    async def stream(request: object, context: object) -> AsyncIterator[object]:
        yield 1
        raise error

    async def read() -> None:
        if is_stream:
            handler = await _intercepted(grpc.unary_stream_rpc_method_handler(cast(Any, stream)))
            async for response in handler.unary_stream(None, context):
                sent.append(response)
        else:
            handler = await _intercepted(grpc.unary_unary_rpc_method_handler(cast(Any, unary)))
            await handler.unary_unary(None, context)

    with pytest.raises(grpc.aio.AbortError):
        await read()
    return context, sent


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            AppError(Reason.INVALID_ADDRESS, "no address", field="token"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "token: no address",
        ),
        (
            RuntimeError("a secret"),
            grpc.StatusCode.INTERNAL,
            "an unexpected error; the service's log has it",
        ),
    ],
)
async def test_an_error_becomes_a_status(
    is_stream: bool, error: Exception, code: grpc.StatusCode, message: str
) -> None:
    context, sent = await _ended_by(error, is_stream=is_stream)
    assert (context.status.code, context.status.details) == (code, message)
    assert sent == ([1] if is_stream else [])


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_call_that_was_ended_already_is_left_alone(is_stream: bool) -> None:
    context, _ = await _ended_by(grpc.aio.AbortError(), is_stream=is_stream)
    assert context.status is None


async def test_answers_pass_and_the_caller_before_is_forgotten() -> None:
    seen: list[object] = []

    async def unary(request: object, context: object) -> object:
        seen.append(current_caller())
        return request

    async def stream(request: object, context: object) -> AsyncIterator[object]:
        seen.append(current_caller())
        yield request
        yield request

    one = await _intercepted(
        grpc.unary_unary_rpc_method_handler(cast(Any, unary), cast(Any, "in"), cast(Any, "out"))
    )
    many = await _intercepted(
        grpc.unary_stream_rpc_method_handler(cast(Any, stream), cast(Any, "in"), cast(Any, "out"))
    )
    set_current_caller(_SOMEBODY)
    assert await one.unary_unary("a", Context()) == "a"
    set_current_caller(_SOMEBODY)
    assert [each async for each in many.unary_stream("b", Context())] == ["b", "b"]
    assert seen == [ANONYMOUS, ANONYMOUS]
    for handler in (one, many):
        assert (handler.request_deserializer, handler.response_serializer) == ("in", "out")


async def test_an_unknown_method_stays_unknown() -> None:
    assert await _intercepted(None) is None
