"""Tests: unit/asset_service."""
