"""The service that follows the chain: it describes tokens and publishes how holdings change."""
