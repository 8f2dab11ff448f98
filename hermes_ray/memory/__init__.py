"""Fixed-size KV-cache memories: tiers, policies, compaction and the slab that holds them."""
