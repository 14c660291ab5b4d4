"""The service layer; it knows the gateway by its URL only."""
