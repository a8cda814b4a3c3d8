"""Tells who makes the current request. Until callers are authenticated, everybody is `anonymous`."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity of a caller."""

    subject: str
    is_authenticated: bool


ANONYMOUS = Caller(subject="anonymous", is_authenticated=False)
_current: ContextVar[Caller] = ContextVar("masspayout_caller", default=ANONYMOUS)


def current_caller() -> Caller:
    """Returns the caller of the request that is being served."""
    return _current.get()


def set_current_caller(caller: Caller) -> None:
    """Sets the caller for the rest of this request; for the server's interceptor."""
    _current.set(caller)
