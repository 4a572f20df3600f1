"""The pages of the documentation site, and the program that completes them."""
