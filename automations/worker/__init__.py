"""The program that runs automations from the queue."""
