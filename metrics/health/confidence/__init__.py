"""Confidence: calibration, certificates from audited outcomes, and the watch over them."""
