"""Patient lists as hospitals send them, read without a database.

The words: a *file* is what was sent; a *table* is its header and its rows as text; a *layout* says which
column holds which field; a *record* is one visit (就诊) brought to one form; a *verdict* on a row is either
a record, with warnings beside it, or a rejection with its reason. Everything here is values in, values out:
bytes become a ``Table`` (``files``), a header becomes a ``Layout`` (``headers``), rows become ``Record`` or
``Rejected`` (``records``), and rejected rows go back to the sender (``returns``). Which record is new,
changed or unchanged is for the package's import to say: it knows what is stored already.
"""
