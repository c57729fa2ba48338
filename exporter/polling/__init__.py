"""When to ask the API, and whom: a poller for each account, under one quota for each token."""
