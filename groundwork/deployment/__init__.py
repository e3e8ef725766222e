"""What brings an environment's stacks to AWS, or to LocalStack, changes them and takes them away again."""
