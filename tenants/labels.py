"""Names of the hospital's types and grades (医院类型, 医院等级), and of what a sign-in attempt came to."""

from __future__ import annotations

HOSPITAL_TYPES = {
    "general": "General hospital",
    "specialist": "Specialist hospital",
    "tcm": "Chinese medicine hospital",
    "maternal": "Maternal and child hospital",
    "checkup": "Check-up centre",
}

# 医院分级管理办法: three levels of three grades, and the special grade of the third.
GRADES = {
    "3S": "Level 3, special grade",
    "3A": "Level 3, grade A",
    "3B": "Level 3, grade B",
    "3C": "Level 3, grade C",
    "2A": "Level 2, grade A",
    "2B": "Level 2, grade B",
    "2C": "Level 2, grade C",
    "1A": "Level 1, grade A",
    "1B": "Level 1, grade B",
    "1C": "Level 1, grade C",
    "none": "Not graded",
}

# The classes of careloop.css that colour the hospital's chip.
COLOURS = (
    "teal", "blue", "orange", "purple", "green", "pink", "indigo", "yellow", "red", "cyan", "lime", "azure",
)  # fmt: skip

SIGNIN_RESULTS = {
    "signed_in": "Signed in",
    "signed_out": "Signed out",
    "wrong_password": "Wrong password",
    "locked": "Refused: locked",
    "disabled": "Refused: account closed",
    "unknown": "Unknown account",
    "password_set": "Password set",
}

# What the hospital's director opens to others (统计授权, S4-16).
STATISTICS = {
    "report": "Monthly report",
    "benchmark": "Benchmark",
}
