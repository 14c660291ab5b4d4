"""Where work comes from and goes to: mail, files, webhooks, HTTP APIs, SQL databases."""
