"""The local stack: PostgreSQL, NATS JetStream, an EVM node and the four services as real processes.

Use :class:`deploy.local.stack.Stack` from tests and the demo, ``python -m deploy.local`` from a shell.
"""
