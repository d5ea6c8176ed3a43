"""What an address asks of whoever opens it: said on the handler, as its option `needs`.

Most name a right (`tenants.rights.Action`); these two words name the rest. An address without a word is
refused by the guard and named by a test, so that nobody forgets the question.
"""

# Open to anybody: sign-in, health, what an outside service calls and proves itself.
PUBLIC = "public"
# Open to whoever is signed in: their own settings.
SIGNED_IN = "signed in"
