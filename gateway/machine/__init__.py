"""The programs of one machine: how they are prepared, started, watched, found and stopped."""
