"""A node whose answers are given."""

from collections.abc import Callable
from typing import Any

from libs.evm.rpc import JsonRpc

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class CannedRpc(JsonRpc):
    """JsonRpc without HTTP: `answer` gets a request's body and returns what the node says, without the id."""

    def __init__(self, answer: Answer, *, batch_size: int = 100) -> None:
        super().__init__("http://nowhere.invalid", batch_size=batch_size)
        self._answer = answer
        self.posts: list[object] = []

    async def _post(self, body: object, max_bytes: int | None = None) -> Any:
        self.posts.append(body)
        if isinstance(body, list):
            # In reverse: JSON-RPC promises no order.
            return [{"id": call["id"], **self._answer(call)} for call in reversed(body)]
        assert isinstance(body, dict)
        return self._answer(body)


def error(code: int, message: str, data: object = None) -> dict[str, Any]:
    """A JSON-RPC error."""
    return {"error": {"code": code, "message": message, **({"data": data} if data is not None else {})}}
