"""The eleven operations, as functions from a call to a reply.

Pure: `http` moves the bytes. Everything that Cloudflare decides about a request is decided here.
Sources: https://developers.cloudflare.com/api/resources/zero_trust/subresources/risk_scoring/ and
the public SDKs. The codes of errors other than authentication, routing and throttling are not
documented; those used here are our own.
"""
