"""Records training steps with nsys or torch.profiler."""
