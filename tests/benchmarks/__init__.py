"""Measurements on a real local stack. They tell figures and claim none; what is measured must be right, though."""
