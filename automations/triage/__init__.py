"""Inbound triage: a message becomes a ticket in the right queue."""
