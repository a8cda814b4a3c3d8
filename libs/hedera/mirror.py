"""A REST client for a Hedera mirror node. A request returns the node's answer or raises a typed error."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from yarl import URL

from libs.errors import AppError, Reason
from libs.evm.pacing import Backoff, MustWaitError, Timing, TokenBucket

MOST_ROWS_A_PAGE = 100

_NANOSECONDS_PER_SECOND = 10**9
_TIMESTAMP = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,9}))?")
_API = "/api/v1/"
_HTTP_NOT_FOUND = 404
_HTTP_TOO_MANY_REQUESTS = 429
# How often a request is sent that is answered with HTTP 429.
_MOST_TRIES = 4

Parameters = Sequence[tuple[str, str]]


class MirrorUnavailableError(AppError):
    """The mirror node did not answer, is overloaded, or gave a malformed answer."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CHAIN_UNAVAILABLE, message)


class TooManyPagesError(MirrorUnavailableError):
    """A list is longer than the caller is willing to read."""


class MirrorRefusedError(Exception):
    """The mirror node refused the request as wrong. `messages` are its own, without their details."""

    def __init__(self, status: int, messages: Sequence[str], details: str) -> None:
        super().__init__(f"{'; '.join(messages)[:300]} {details} (HTTP {status})")
        self.status = status
        self.messages = tuple(messages)


class MirrorNode:
    """A client of a mirror node's REST API. Every request has a timeout.

    Only HTTP 429 is answered by sending the request again, a few times, after the pause that the node asks for;
    everything else is the caller's to decide. `max_concurrency` bounds the requests under way,
    `requests_per_minute` (2 or more) how many leave in any minute.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        max_concurrency: int = 4,
        requests_per_minute: int | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._limit = asyncio.Semaphore(max_concurrency)
        timing = timing or Timing()
        self._bucket = TokenBucket(requests_per_minute, timing) if requests_per_minute is not None else None
        self._backoff = Backoff(timing)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def find(self, path: str, parameters: Parameters = ()) -> dict[str, Any] | None:
        """Returns a resource; None if the mirror node has none. `path` follows /api/v1/.

        Raises MirrorUnavailableError, and MirrorRefusedError for other refusals.
        """
        try:
            return await self._get(_API + path, parameters)
        except MirrorRefusedError as error:
            if error.status == _HTTP_NOT_FOUND:
                return None
            raise

    async def pages(
        self, path: str, parameters: Parameters, rows_name: str, *, most_pages: int
    ) -> AsyncIterator[list[Any]]:
        """Yields the pages of a list: the rows under `rows_name`, then those of the page at `links.next`.

        To be asked with the limit MOST_ROWS_A_PAGE or less. It does not end early: links that go in a circle or
        break off raise MirrorUnavailableError, more than `most_pages` TooManyPagesError. Also raises
        MirrorRefusedError.
        """
        answer = await self._get(_API + path, parameters)
        followed: set[str] = set()
        for _ in range(most_pages):
            rows, link = _page(answer, rows_name)
            yield rows
            if link is None:
                return
            if link in followed:
                raise MirrorUnavailableError("the mirror node's links to the next page go in a circle")
            followed.add(link)
            answer = await self._get(link)
        raise TooManyPagesError(f"the mirror node's list has more than {most_pages} pages")

    async def post(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        """Returns the answer to a request with a body. Raises MirrorUnavailableError and MirrorRefusedError."""
        return await self._request("POST", self._url + _API + path, body)

    async def _get(self, path: str, parameters: Parameters = ()) -> dict[str, Any]:
        question = "&".join(f"{name}={value}" for name, value in parameters)
        return await self._request("GET", f"{self._url}{path}{'?' if question else ''}{question}", None)

    async def _request(self, method: str, url: str, body: dict[str, object] | None) -> dict[str, Any]:
        for _ in range(_MOST_TRIES):
            async with self._limit:
                await self._wait_for_turn()
                status, retry_after, text = await self._send(method, url, body)
            if status != _HTTP_TOO_MANY_REQUESTS:
                self._backoff.answered()
                return _answer(status, text)
            self._backoff.refused(retry_after)
        raise MirrorUnavailableError(f"the mirror node answered HTTP 429 {_MOST_TRIES} times: too many requests")

    async def _wait_for_turn(self) -> None:
        """Waits until a request may leave. Raises MirrorUnavailableError if that is too late."""
        try:
            if self._bucket is not None:
                await self._bucket.take(1, self._timeout_seconds)
            await self._backoff.wait(self._timeout_seconds)
        except MustWaitError as error:
            raise MirrorUnavailableError(f"the request was not sent: {error}") from error

    async def _send(self, method: str, url: str, body: dict[str, object] | None) -> tuple[int, str | None, str]:
        """Sends a request. Returns HTTP status, Retry-After and text of the answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            # Links are sent back as they came, not in another spelling.
            request = self._session.request(method, URL(url, encoded=True), json=body, allow_redirects=False)
            async with request as response:
                return response.status, response.headers.get("Retry-After"), await response.text("utf-8")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # Not the URL: it may carry a key.
            raise MirrorUnavailableError(f"the mirror node did not answer: {type(error).__name__}") from error


def parse_timestamp(told: object) -> int:
    """Reads a consensus timestamp, `seconds.nanoseconds`, as nanoseconds since 1970.

    Raises MirrorUnavailableError for anything else.
    """
    match = _TIMESTAMP.fullmatch(told) if isinstance(told, str) else None
    if match is None:
        raise MirrorUnavailableError(f"the mirror node answered {str(told)[:60]!r} where a timestamp belongs")
    return int(match[1]) * _NANOSECONDS_PER_SECOND + int((match[2] or "").ljust(9, "0"))


def timestamp_text(nanoseconds: int) -> str:
    """Writes nanoseconds since 1970 in the notation of the mirror node."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS_PER_SECOND)
    return f"{seconds}.{rest:09d}"


def _answer(status: int, text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise MirrorUnavailableError(f"the mirror node answered HTTP {status} without JSON") from error
    if not isinstance(answer, dict):
        raise MirrorUnavailableError(f"the mirror node answered HTTP {status} with nonsense")
    if 200 <= status < 300:
        return answer
    messages, details = _told(answer, "message"), "; ".join(_told(answer, "detail"))[:300]
    if 400 <= status < 500 and messages:
        raise MirrorRefusedError(status, messages, details)
    # A 404 without the API's own messages is another server's: it must not pass for "there is none".
    raise MirrorUnavailableError(f"the mirror node answered HTTP {status}: {'; '.join(messages)[:300]} {details}")


def _told(answer: dict[str, Any], name: str) -> list[str]:
    """Returns what the API's error document says under one name."""
    status = answer.get("_status")
    entries = status.get("messages") if isinstance(status, dict) else None
    told = [entry.get(name) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [text for text in told if isinstance(text, str) and text]


def _page(answer: dict[str, Any], rows_name: str) -> tuple[list[Any], str | None]:
    """Returns the rows and the link to the next page."""
    rows, links = answer.get(rows_name), answer.get("links")
    if not isinstance(rows, list) or not isinstance(links, dict) or "next" not in links:
        raise MirrorUnavailableError(f"the mirror node answered a page of {rows_name} without rows or links")
    link = links["next"]
    if link is not None and not (isinstance(link, str) and link.startswith(_API)):
        raise MirrorUnavailableError(f"the mirror node's link to the next page is broken: {str(link)[:80]!r}")
    if link is None and len(rows) >= MOST_ROWS_A_PAGE:
        # A full page always has a link, if only to an empty one.
        raise MirrorUnavailableError(f"the mirror node answered a full page of {rows_name} without a link on")
    return rows, link
