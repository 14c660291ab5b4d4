"""Thin HTTP faces of what the packages do."""
