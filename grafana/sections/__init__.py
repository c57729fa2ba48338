"""The panels, by subject: each module is one section of a board."""
