"""What the numbers say.

Owns the *measures* (指标) with one definition each, the hospital's *month* (月报), the *benchmark* (对标)
over the firm's hospitals with its intervals and small-number rules, *publication* (发布) of a frozen
edition, and its PDF and Excel forms, which carry the same numbers as the page.
"""
