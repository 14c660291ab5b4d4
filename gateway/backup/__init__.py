"""Backups of everything that cannot be made again, taken while it runs, and their return."""
