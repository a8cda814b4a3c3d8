"""Parts of the randomized test of the register."""
