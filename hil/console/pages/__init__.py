"""The screens of the console; ``hil.console.registry`` lists them."""
