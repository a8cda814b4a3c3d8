"""Tests: integration/tools."""
