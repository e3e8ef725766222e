"""What LocalStack's S3 leaves out of what templates say."""
