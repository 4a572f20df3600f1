"""URI syntax of each storage, one module per service. `sealift.uri` selects the module by scheme."""
