"""Who may do what: tenants, users, roles, service principals, sessions, sign-in and API keys."""
