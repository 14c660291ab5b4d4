"""Repeatable measurements and campaigns; run by make targets, never by the test suite."""
