"""From an enrolled patient to a paid invoice.

Owns the *contract* (合同) with its rates, the *ledger* (计费台账) of what may be billed once, the *invoice*
(账单) per hospital and month with the patients behind each line, the *credit note* (红冲), payments by bank
transfer or Stripe, the electronic invoice's number (发票), and *margin* (毛利). Amounts are integer fen (分);
rates are `Decimal`; each line is rounded half-up once.
"""
