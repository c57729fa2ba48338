"""The simulator over HTTP: the API endpoint, responses and their faults, and the admin API."""
