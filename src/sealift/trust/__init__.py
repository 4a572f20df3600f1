"""Signatures of models: verify a bundle of OpenSSF's model signing, and compare what is downloaded with what it lists.

`bundle` reads the JSON, `signature` verifies who signed it, `manifest` says which files were signed, and `signed_files`
compares a listing or a directory with them. The format: https://github.com/ossf/model-signing-spec/blob/main/spec/v1.0.md
"""
