"""The simulator's bytes: moving calls and replies, breaking them on request, and its controls."""
