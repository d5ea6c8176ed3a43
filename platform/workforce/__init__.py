"""The agents and their time.

Owns the *assignment* (分配) of an agent (客服, 回访专员) to hospitals, *skills* (技能) such as a language
or a dialect, *shifts* (班次) and the *capacity* (产能) that follows from them. What an agent does in a call
belongs to outreach; whether it was done well belongs to quality.
"""
