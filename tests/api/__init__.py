"""What a caller of `AsyncStorage` sees, against real services and, where those cannot do it, a fake of S3."""
