"""LangChain and LangGraph, as the conversations they become."""
