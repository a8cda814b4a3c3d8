"""The rules for following a token on the chain. Imports the standard library only."""
