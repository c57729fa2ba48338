"""Risk scoring without I/O: the model, the ledger of counted events, and the users to expose."""
