"""The URI forms of each storage, one module each. `sealift.uri` picks the module by the scheme."""
