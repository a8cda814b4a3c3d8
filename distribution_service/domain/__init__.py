"""The rules for distributions. Imports the standard library only."""
