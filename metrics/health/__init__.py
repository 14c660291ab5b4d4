"""Measures of how automations do."""
