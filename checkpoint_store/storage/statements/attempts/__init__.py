"""Statements about attempts: claims, runners, outcomes, and the money of attempts without a result."""
