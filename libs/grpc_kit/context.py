"""The type of a call's context, which grpc declares as generic only for type checkers."""

from typing import Any, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
