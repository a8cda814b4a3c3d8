"""Makes a changing call happen once per request id (AIP-155), however often the client repeats it."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from libs.errors import AppError, Reason


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The identity of a changing call: the caller's id for it, the method, a hash of the rest, and the caller."""

    request_id: UUID
    method: str
    request_hash: bytes
    caller: str


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A changing call that was carried out, and the resource that it named."""

    key: RequestKey
    resource_id: UUID


def request_hash(serialized_request: bytes) -> bytes:
    """Returns the SHA-256 of a deterministically serialized request without its id."""
    return hashlib.sha256(serialized_request).digest()


def repeated_resource_id(key: RequestKey, logged: LoggedRequest) -> UUID:
    """Returns the resource of the call that was logged under the same id.

    Raises AppError REQUEST_ID_REUSED when the logged call was another method or said something else.
    """
    if (logged.key.method, logged.key.request_hash) != (key.method, key.request_hash):
        raise AppError(
            Reason.REQUEST_ID_REUSED,
            "this request_id was used for another call or other content; choose a new UUID",
            field="request_id",
        )
    return logged.resource_id
