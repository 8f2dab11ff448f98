"""Where each stream's memory is: in the slab, in host memory or on disk."""
