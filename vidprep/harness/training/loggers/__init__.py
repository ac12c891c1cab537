"""Where the numbers of a training go: always metrics.jsonl; on request TensorBoard, CSV, W&B, MLflow."""
