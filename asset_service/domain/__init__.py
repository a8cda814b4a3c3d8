"""The rules for assets and registers of holders. Imports the standard library only."""
