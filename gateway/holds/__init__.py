"""Held outputs: from the verdict to the caller, by way of a reviewer."""
