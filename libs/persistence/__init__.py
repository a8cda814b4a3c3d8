"""PostgreSQL as all services use it: engine, unit of work, outbox, inbox, request log, migrations."""
