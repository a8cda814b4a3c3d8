"""Tests: unit/docs."""
