"""The web kit: pages from templates, mistakes and error pages, security headers, form tokens, the left rail.

It knows nothing of hospitals: who visits and what they may is told by a `Viewer`, which tenants implements.
"""
