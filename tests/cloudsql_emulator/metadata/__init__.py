"""The metadata server: whom an address belongs to, what there is to be read, and how it is answered."""
