"""The durable queue: runs, actions and events on SQLite or PostgreSQL."""
