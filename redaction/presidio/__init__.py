"""Killable detector processes and the Presidio engines they host."""
