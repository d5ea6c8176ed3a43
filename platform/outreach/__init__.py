"""Contacting people, whatever the reason.

Owns the *contact policy* (触达规则: suppression, consent, calling hours, caps, gap), the *contact task*
(外呼任务) and the firm's *queue* (队列) over many hospitals, the *draw* (取号) that gives one patient to one
agent, the *call* (通话) with its *outcome* (结果) and retry delay, messages (短信, 微信), and the *workbench*
(工作台) with its call card. What is asked in a call is registered by higher packages.
"""
