"""Conversations of the Responses API: ids of our own, what is kept of each response, and how providers are asked."""
