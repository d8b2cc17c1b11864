"""How fast Hangtag is beside a bare loop, Keras and Ray Data, measured in one run."""
