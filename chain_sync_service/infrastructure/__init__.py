"""Adapters: PostgreSQL, the EVM node, protobuf."""
