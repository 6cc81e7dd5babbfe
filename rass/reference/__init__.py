"""The reference targets: two small models that refuse, made offline from packaged weights and this project's adapters."""
