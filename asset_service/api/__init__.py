"""How calls and events reach the use cases."""
