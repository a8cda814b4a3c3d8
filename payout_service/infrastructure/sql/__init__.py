"""Implements the ports to the database with PostgreSQL."""
