"""What an auditor can check."""
