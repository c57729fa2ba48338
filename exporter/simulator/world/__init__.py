"""The state of a simulated Cloudflare, its activity, and the ground truth about it.

Pure except for `activity`, which reads the clock it is given: instants, randomness and ids are
passed in, nothing waits and nothing does I/O. Instants are Unix nanoseconds, because the API's
timestamps are that fine and the ground truth must be exact.
"""
