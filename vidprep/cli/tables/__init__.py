"""Tables that commands print: what a person looks at first."""
