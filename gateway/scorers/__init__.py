"""Where confidence scores come from."""
