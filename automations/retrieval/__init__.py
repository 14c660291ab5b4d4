"""Looks things up in a folder of articles, and leaves on record what it found."""
