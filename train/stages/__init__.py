"""Stages of training: each is a function of a request that trains one component and returns what it has made."""
