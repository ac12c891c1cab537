"""What a loader has to know of each sample, as plain columns that many processes can share."""
