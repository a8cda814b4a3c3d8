"""Creates the JetStream streams that are missing; any service may be the first to do so."""

from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError

CONTEXTS = ("asset", "distribution", "payout", "chain_sync")
# Inbox rows and published outbox rows are kept longer than this (docs/operations.md).
RETENTION_SECONDS = 14 * 24 * 3600
DEAD_LETTER_RETENTION_SECONDS = 365 * 24 * 3600
DUPLICATE_WINDOW_SECONDS = 120
_STREAM_NAME_IN_USE = 10058


def stream_name(context: str) -> str:
    """Returns the name of the stream with the events of a context."""
    return f"MASSPAYOUT_{context.upper()}"


def dead_letter_stream_name(service: str) -> str:
    """Returns the name of the stream with what a service could not process."""
    return f"MASSPAYOUT_DEAD_LETTER_{service.upper()}"


def dead_letter_subject(service: str) -> str:
    """Returns the subject on which a service publishes what it could not process."""
    return f"masspayout_dead_letter.{service}"


async def ensure_streams(jetstream: JetStreamContext, contexts: tuple[str, ...], service: str) -> None:
    """Creates the missing streams of `contexts`, and the service's dead-letter stream."""
    for context in contexts:
        await _ensure(
            jetstream,
            StreamConfig(
                name=stream_name(context),
                subjects=[f"masspayout.{context}.>"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                max_age=RETENTION_SECONDS,
                duplicate_window=DUPLICATE_WINDOW_SECONDS,
            ),
        )
    await _ensure(
        jetstream,
        StreamConfig(
            name=dead_letter_stream_name(service),
            subjects=[dead_letter_subject(service)],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=DEAD_LETTER_RETENTION_SECONDS,
            duplicate_window=DUPLICATE_WINDOW_SECONDS,
        ),
    )


async def _ensure(jetstream: JetStreamContext, config: StreamConfig) -> None:
    try:
        await jetstream.add_stream(config)
    except BadRequestError as error:
        # An operator may have changed limits or replicas of an existing stream: that is theirs to decide.
        if error.err_code != _STREAM_NAME_IN_USE:
            raise
