"""PostgreSQL for all services: engine, unit of work, outbox, inbox, request log, migrations."""
