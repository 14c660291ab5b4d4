"""One function for each stage of a call."""
