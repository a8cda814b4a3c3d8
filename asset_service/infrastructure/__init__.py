"""Implements the ports of asset_service: PostgreSQL and the clients of other services."""
