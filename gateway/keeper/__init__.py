"""The keeper: one process per machine that brings policies in force and journals what the control database tells."""
