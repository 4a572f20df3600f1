"""The usage examples of the API document, and the module names that they import."""
