"""The type of the context of a gRPC call. grpc declares it as generic only for type checkers."""

from typing import Any, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
