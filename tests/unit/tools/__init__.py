"""Tests: unit/tools."""
