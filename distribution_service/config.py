"""The settings of distribution_service, from environment variables `DISTRIBUTION_SERVICE_*`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings


class DistributionServiceSettings(ServiceSettings):
    """What every service needs, and where payout_service is."""

    model_config = SettingsConfigDict(env_prefix="DISTRIBUTION_SERVICE_")

    payout_address: str = Field(min_length=1, description="host:port of payout_service")
    watch_poll_seconds: float = Field(
        default=0.25, gt=0, le=60, description="longest wait before a change made by another replica is seen"
    )
    max_watches: int = Field(default=1000, ge=1, le=100_000, description="WatchDistribution streams at a time")
