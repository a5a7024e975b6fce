"""Tests of chatd/web."""
