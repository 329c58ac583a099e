"""Tests of the leaf modules, one by one."""
