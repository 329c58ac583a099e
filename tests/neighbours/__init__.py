"""Tests of what other tools do with a store, and of what this package brings for them."""
