"""Tests: unit/libs."""
