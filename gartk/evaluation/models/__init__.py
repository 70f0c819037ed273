"""Models that answer: chat models, asked as models under test or as judges, and models of gartk."""
