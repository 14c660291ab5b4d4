"""Measure what redaction finds in texts that are not ours."""
