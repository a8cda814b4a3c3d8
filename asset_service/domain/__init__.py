"""What an asset and a register of holders are and may become. Standard library only."""
