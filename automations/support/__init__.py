"""Support resolution drafting: a ticket gets a draft from the knowledge base, and a person's yes before it goes out."""
