"""Sample traffic and the simulated provider; imported by nothing."""
