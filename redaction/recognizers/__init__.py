"""What each kind of entity looks like."""
