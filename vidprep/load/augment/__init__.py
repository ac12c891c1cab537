"""Changes of training clips on the device, drawn for each clip: colours, RandAugment, erasing, mixing."""
