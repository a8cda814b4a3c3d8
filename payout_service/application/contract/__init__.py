"""Looks after an asset's lifecycle contract: deployment, pause, readiness to pay."""
