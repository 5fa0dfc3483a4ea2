"""What a user sees while a sweep runs."""
