"""Qualification summary: notes of a call or a form become a summary with a score for the account team."""
