"""Training: what every domain's training needs. Only modules that are hooks of Lightning import it."""
