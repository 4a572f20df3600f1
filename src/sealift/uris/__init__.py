"""URI syntax, one module per form. `sealift.uri` selects the module by scheme."""
