"""What is done about upstreams that fail: tries, retries, budgets of retries, circuit breakers."""
