"""What is unsafe about an installation, and what to do about it."""
