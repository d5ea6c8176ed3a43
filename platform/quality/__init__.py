"""Listening to calls.

Owns the *quality sample* (质检抽样) of calls, the *scorecard* (评分表) in versions with its weighted and
fatal items (致命项), the *review* (质检), *calibration* (校准) between reviewers, the *appeal* (申诉) of an
agent, and coaching (辅导) that follows.
"""
