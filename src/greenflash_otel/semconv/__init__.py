"""How spans name things: one module per semantic convention, and ``reading``, which chooses among them."""
