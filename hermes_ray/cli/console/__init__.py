"""What all commands share towards people: options, output, progress and exit codes."""
