"""Generates docs/settings.md: every setting of every service, from the classes that read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from asset_service.config import AssetServiceSettings
from chain_sync_service.config import ChainSyncSettings
from deploy.docs.markdown import document, generated_note, table
from distribution_service.config import DistributionServiceSettings
from libs.config import ServiceSettings
from payout_service.config import PayoutSettings

_SERVICES: dict[str, type[ServiceSettings]] = {
    "asset_service": AssetServiceSettings,
    "distribution_service": DistributionServiceSettings,
    "payout_service": PayoutSettings,
    "chain_sync_service": ChainSyncSettings,
}
_TYPES = {str: "text", SecretStr: "text, secret", int: "whole number", float: "number", Path: "path", bool: "bool"}
_INTRODUCTION = """\
A service reads its settings once, from environment variables. A wrong or missing one is refused at the start with
its name and without its value; the exit status is then 2. Secrets appear in no log and no error."""


def settings_reference() -> str:
    """Returns the text of docs/settings.md."""
    lines = ["# Settings", "", generated_note("the services' config.py"), "", _INTRODUCTION, ""]
    prefixes = ", ".join(f"`{prefix_of(settings)}`" for settings in _SERVICES.values())
    lines += ["## Every service", "", f"Before each name stands the service's prefix: {prefixes}.", ""]
    lines += _table("…_", {name: ServiceSettings.model_fields[name] for name in ServiceSettings.model_fields})
    for service, settings in _SERVICES.items():
        own = {
            name: field
            for name, field in settings.model_fields.items()
            if name not in ServiceSettings.model_fields
        }
        lines += [f"## {service}", "", *_table(prefix_of(settings), own)]
    return document(lines)


def prefix_of(settings: type[ServiceSettings]) -> str:
    """Returns the prefix of the names of a service's settings."""
    return str(settings.model_config["env_prefix"])


def _table(prefix: str, fields: dict[str, FieldInfo]) -> list[str]:
    return table(
        ("name", "type", "default", "meaning"),
        (
            (f"`{prefix}{name.upper()}`", _type(field), _default(field), field.description or "")
            for name, field in fields.items()
        ),
    )


def _type(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    plain = next((each for each in get_args(annotation) if each is not NoneType), annotation)
    bounds = ", ".join(_bounds(field))
    name = _TYPES[plain]  # type: ignore[index]
    return f"{name}, {bounds}" if bounds else name


def _bounds(field: FieldInfo) -> Iterator[str]:
    for each in field.metadata:
        match each:
            case Ge(ge=least):
                yield f"≥ {_number(least)}"
            case Gt(gt=limit):
                yield f"> {_number(limit)}"
            case Le(le=most):
                yield f"≤ {_number(most)}"
            case Lt(lt=limit):
                yield f"< {_number(limit)}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, "", SecretStr("")):
        return "none"
    return f"`{_number(field.default)}`"


def _number(value: object) -> str:
    """Writes large powers as powers, because nobody can count their digits."""
    if isinstance(value, int) and value > 10**12:
        exponent = len(str(value)) - 1
        if value == 10**exponent:
            return f"10^{exponent}"
        if value == 2**63:
            return "2^63"
    return f"{value:g}" if isinstance(value, float) else str(value)
