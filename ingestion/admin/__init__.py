"""The screens of the admin, one module each; importing them registers them."""
