"""What users and this project's own tests test with."""
