"""While it trains: the network is judged between epochs, as an evaluation would, and its best moment kept."""
