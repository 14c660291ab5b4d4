"""The embedded model that finds people, places and organisations in text."""
