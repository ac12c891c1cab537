"""What a trained network does with time: its temporal filters, its effective receptive field."""
