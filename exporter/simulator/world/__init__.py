"""The state of a simulated Cloudflare, and the truth about it.

Pure: instants, randomness and identities are passed in, nothing here waits, reads a clock or
touches the network. Instants are Unix nanoseconds, because the API's timestamps are that fine
and the truth must be exact.
"""
