"""Complaints and praise, from the first word to the last.

Owns the *case* (工单) with its category, tags and *tier* (等级), the *clocks* (时限) that follow from the
tier (accept, respond, handle, call back), root cause (根因), *rectification* (整改), the *callback* (回访)
that asks whether the patient is content, and the rounds until a case is closed (办结).
"""
