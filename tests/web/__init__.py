"""The gate and what stands around it, without a server."""
