"""Which samples, frames and pixels: integers in, integers out; nothing here reads or decodes."""
