"""Starting, finding and checking a system."""
