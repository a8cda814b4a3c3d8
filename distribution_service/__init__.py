"""The service that keeps distributions: what is owed to the holders of an asset, when, and how much is paid."""
