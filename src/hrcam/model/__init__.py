"""Run somebody else's model and leave no trace: inputs, batches, the call, hooks, tensors."""
