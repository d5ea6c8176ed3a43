"""Asking people what they think and counting the answers.

Owns the *instrument* (问卷) in versions, the *indicator tree* (指标体系) of *dimensions* (维度) and
weights, the *wave* (调查批次) and the seeded *sample* (抽样), the *invitation* (邀请), the *response*
(答卷) with its six-level answers, and *scoring* (计分): the index from 0 to 100.
"""
