"""The settings that every service has. Each service adds its own and sets the environment prefix."""

from typing import Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and never shows its value."""


class ServiceSettings(BaseSettings):
    """The settings of a service, read once at start.

    A variable's name is the prefix and the field in upper case.
    """

    database_url: SecretStr = Field(description="postgresql://role:password@host:port/database")
    nats_url: SecretStr = Field(description="nats://user:password@host:port")
    listen_address: str = Field(description="host:port on which gRPC is served")
    database_pool_size: int = Field(
        default=10,
        ge=4,
        le=200,
        description="connections kept open; consumers and relay hold some for their locks",
    )
    database_timeout_seconds: float = Field(default=10.0, gt=0, description="longest wait for a statement")
    drain_seconds: float = Field(default=10.0, ge=0, description="longest wait for running calls at a stop")
    max_deliveries: int = Field(default=8, ge=1, le=1000, description="tries before an event is dead")
    redelivery_delay_seconds: float = Field(default=1.0, gt=0, description="wait before another try")
    outbox_poll_seconds: float = Field(default=0.25, gt=0, description="longest wait before the outbox is read")

    @classmethod
    def load(cls) -> Self:
        """Reads the environment. Raises SettingsError that names each wrong setting without its value."""
        prefix = cls.model_config.get("env_prefix", "")
        try:
            return cls()
        except ValidationError as error:
            problems = "; ".join(
                f"{prefix}{'.'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(problems) from None
