"""What people may ask of the record about themselves, and how long it is kept."""
