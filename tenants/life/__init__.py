"""A hospital's life with a firm: agreement, onboarding and go-live, stages, moves, departure, its face."""
