"""What needs compare-and-swap: identity, keys, shared state."""
