"""What the policy commands do; each is one function over a folder of policies."""
