"""Implements the ports of distribution_service: PostgreSQL and the client of payout_service."""
