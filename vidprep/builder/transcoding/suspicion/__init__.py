"""What makes a stored video suspect: damage that shows in its pictures, or in what FFmpeg said."""
