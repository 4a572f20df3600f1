"""Tests of the public `AsyncStorage` API against real services, or a fake S3 where no real one can do it."""
