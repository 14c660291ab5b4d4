"""What an automation is written with: steps, actions, and the engine that runs them."""
