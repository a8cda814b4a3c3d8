"""Who calls. Until callers are authenticated everybody is `anonymous`; the type stands from the first day."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Identity of a caller."""

    subject: str
    is_authenticated: bool


ANONYMOUS = Caller(subject="anonymous", is_authenticated=False)
_current: ContextVar[Caller] = ContextVar("masspayout_caller", default=ANONYMOUS)


def current_caller() -> Caller:
    """The caller of the request that is being served."""
    return _current.get()


def set_current_caller(caller: Caller) -> None:
    """Sets the caller for the rest of this request; for the server's interceptor."""
    _current.set(caller)
