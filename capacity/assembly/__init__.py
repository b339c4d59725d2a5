"""Assembly: everything that the model computed, put into the form of the lease plan."""
