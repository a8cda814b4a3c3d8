"""The DDL of the shared tables, for the services' migrations. A released version never changes."""

SHARED_TABLES_V1 = (
    """
    CREATE TABLE outbox (
        event_id uuid PRIMARY KEY,
        position bigint GENERATED ALWAYS AS IDENTITY NOT NULL UNIQUE,
        aggregate_id uuid NOT NULL,
        aggregate_version bigint NOT NULL,
        context text NOT NULL,
        event_name text NOT NULL,
        payload bytea NOT NULL,
        create_time timestamptz NOT NULL,
        publish_time timestamptz,
        UNIQUE (aggregate_id, event_name, aggregate_version)
    )
    """,
    "CREATE INDEX outbox_unpublished ON outbox (position) WHERE publish_time IS NULL",
    """
    CREATE TABLE inbox (
        event_id uuid PRIMARY KEY,
        subject text NOT NULL,
        process_time timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE request_log (
        request_id uuid PRIMARY KEY,
        method text NOT NULL,
        request_hash bytea NOT NULL,
        resource_id uuid NOT NULL,
        caller text NOT NULL,
        create_time timestamptz NOT NULL
    )
    """,
)
