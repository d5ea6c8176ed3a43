"""The product put together.

Owns what needs to know every package at once: the web application, the worker, the scheduler, the command
line
`careloop`, the list that wires the registries of lower packages to what higher packages register, and the
*demo* (演示). It holds no rule of its own.
"""
