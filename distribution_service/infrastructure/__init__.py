"""Adapters of the ports: PostgreSQL, payout_service, and the mapping to protobuf."""
