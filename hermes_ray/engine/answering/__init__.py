"""From waiting questions to tokens of answers."""
