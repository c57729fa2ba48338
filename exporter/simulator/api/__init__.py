"""The eleven operations, as a function from a call to a reply.

Pure: `http` moves the bytes. Everything Cloudflare decides about a request is decided here.
Sources: https://developers.cloudflare.com/api/resources/zero_trust/subresources/risk_scoring/ and
the public SDKs. Which numbers other errors than authentication, routing and throttling carry is
not documented; those used here are our own.
"""
