"""Find personal data and secrets in text, and rewrite it."""
