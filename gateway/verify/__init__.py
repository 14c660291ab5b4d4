"""Prove on a running product that nothing personal or secret leaves or is kept."""
