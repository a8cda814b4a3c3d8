"""Makes the few HTTP and JSON-RPC calls of the launcher, with the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

CALL_SECONDS = 5.0
# Never through a proxy: what we ask is on this machine, or named by the user.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_proxied = urllib.request.build_opener()


class RpcError(OSError):
    """A node answered a JSON-RPC call with an error, or with no JSON."""


def get_json(url: str) -> dict[str, Any]:
    """Return the JSON object at a loopback URL, also from an answer with an error status. Raises OSError."""
    try:
        with _opener.open(url, timeout=CALL_SECONDS) as reply:
            body = reply.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    return _object(body)


def rpc(url: str, method: str, *parameters: object, local: bool = True) -> Any:
    """Return the result of a JSON-RPC call. Raises OSError (RpcError when the node refuses)."""
    request = urllib.request.Request(
        url,
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}).encode(),
        {"content-type": "application/json"},
    )
    with (_opener if local else _proxied).open(request, timeout=CALL_SECONDS) as reply:
        answer = _object(reply.read())
    if "result" not in answer:
        error = answer.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        raise RpcError(f"{method}: {message or 'no result'}")
    return answer["result"]


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        raise RpcError("the answer is not JSON") from None
    if not isinstance(document, dict):
        raise RpcError("the answer is not a JSON object")
    return document
