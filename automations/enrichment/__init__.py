"""CRM enrichment: what is known of a company is read out of notes, and written where nothing stands."""
