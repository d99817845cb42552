"""The encoders of the published networks, one file a family; each returns its feature maps or tokens."""
