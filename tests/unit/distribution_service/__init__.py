"""Tests: unit/distribution_service."""
