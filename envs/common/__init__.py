"""What environments of several families share."""
