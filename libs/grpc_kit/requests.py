"""Parses what requests have in common: names, ids, pages."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from google.protobuf.message import Message

from libs.caller import current_caller
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, request_hash

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
# Below 2^63, as all our numbers are.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


class PagedRequest(Protocol):
    """A List request (AIP-158)."""

    @property
    def page_size(self) -> int:
        """The largest number of entries on a page; 0 for the default."""
        ...

    @property
    def page_token(self) -> str:
        """The token of the page to continue with; empty for the first."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A request for a page: its size, and the key behind which it begins (None for the first)."""

    size: int
    after: str | None


def require(value: str, field: str) -> str:
    """Returns the value. Raises AppError REQUIRED_FIELD_MISSING naming `field` when it is empty."""
    if not value:
        raise AppError(Reason.REQUIRED_FIELD_MISSING, f"{field} is required", field=field)
    return value


def parse_resource_name(name: str, collection: str, field: str) -> UUID:
    """Returns the id from `collection/{uuid}`. Raises AppError REQUIRED_FIELD_MISSING or INVALID_RESOURCE_NAME."""
    require(name, field)
    prefix, _, identifier = name.partition("/")
    uuid = _parse_uuid(identifier)
    if prefix != collection or uuid is None:
        raise AppError(
            Reason.INVALID_RESOURCE_NAME, f"{name!r} is not of the form {collection}/<uuid>", field=field
        )
    return uuid


def parse_request_key(request: Message, method: str) -> RequestKey:
    """Returns the identity of a changing call, from its `request_id` and a hash of the rest.

    Raises AppError INVALID_REQUEST_ID when the id is missing or no UUID.
    """
    text: str = getattr(request, "request_id")  # noqa: B009 - the generated classes have no common base with it
    uuid = _parse_uuid(text)
    if uuid is None:
        raise AppError(
            Reason.INVALID_REQUEST_ID, "request_id must be a UUID chosen by the caller", field="request_id"
        )
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("request_id")
    serialized = content.SerializeToString(deterministic=True)
    return RequestKey(uuid, method, request_hash(serialized), current_caller().subject)


def parse_page(request: PagedRequest, scope: str) -> Page:
    """Returns the requested page. A token is valid only for the `scope` (method and parent) that gave it.

    Raises AppError INVALID_PAGE_SIZE or INVALID_PAGE_TOKEN.
    """
    if not 0 <= request.page_size <= MAX_PAGE_SIZE:
        raise AppError(Reason.INVALID_PAGE_SIZE, f"page_size must be 0 to {MAX_PAGE_SIZE}", field="page_size")
    after = _token_key(request.page_token, scope) if request.page_token else None
    return Page(request.page_size or DEFAULT_PAGE_SIZE, after)


def parse_number_page(request: PagedRequest, scope: str) -> tuple[int, int]:
    """Reads a page of a list ordered by a number from 1.

    Returns its size and the number behind which it begins.
    """
    page = parse_page(request, scope)
    after = page.after or "0"
    if not _NUMBER.fullmatch(after):
        raise _bad_token()
    return page.size, int(after)


def next_page_token(scope: str, last_key: str) -> str:
    """Returns the token of the page that begins behind the row with `last_key`."""
    return base64.urlsafe_b64encode(json.dumps([scope, last_key]).encode()).decode()


def _token_key(token: str, scope: str) -> str:
    try:
        content = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise _bad_token() from None
    if not (isinstance(content, list) and len(content) == 2 and content[0] == scope):
        raise _bad_token()
    return str(content[1])


def _bad_token() -> AppError:
    return AppError(
        Reason.INVALID_PAGE_TOKEN, "page_token is not one that this list has given", field="page_token"
    )


def _parse_uuid(text: str) -> UUID | None:
    """Reads a UUID in its canonical spelling only, so that one resource has one name."""
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if str(uuid) == text.lower() else None
