"""How sure scores are, how far judges agree, and what a part of the items would say."""
