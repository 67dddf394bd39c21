"""The performance: from rundown and models to a show log."""
