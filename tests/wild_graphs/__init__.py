"""Random graphs of LangGraph, and random habits of handing the history back, with the truth known."""
