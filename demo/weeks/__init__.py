"""Weeks of invented traffic in minutes, with stories that the weekly review must find."""
