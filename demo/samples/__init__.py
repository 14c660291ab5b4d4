"""Sample inputs of four automations, written for this project; every person, number and account in them is invented."""
