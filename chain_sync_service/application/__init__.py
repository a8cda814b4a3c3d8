"""The use cases of chain_sync_service and the ports that they need.

Imports only the standard library and pure parts of libs.
"""
