"""What happens in a simulated Cloudflare by itself."""
