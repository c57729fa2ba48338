"""What risk is, and how its memory moves."""
