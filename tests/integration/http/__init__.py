"""Tests: integration/http."""
