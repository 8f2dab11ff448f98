"""From waiting frames to tokens in memories."""
