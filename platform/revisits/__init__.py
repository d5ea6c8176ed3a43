"""Following a patient after discharge.

Owns the *plan* (随访计划) in versions, its *steps* (随访节点: days after discharge with a window), the rule
that turns a discharge date into planned dates, and the tick that lays the due steps over a rolling horizon.
A due step becomes a contact task of outreach; its answers belong to surveys.
"""
