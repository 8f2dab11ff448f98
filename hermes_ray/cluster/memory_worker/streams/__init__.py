"""The streams that live here: how each comes, stays safe, is changed by people, and leaves."""
