"""Who works here and for whom.

Owns the *firm* (外包公司) that sells the service, the *hospital* (医院), which is the tenant, its
*departments* (科室) and groups, the *people* (人员) with their *roles* (角色), sign-in with a password and
a session kept on the server, and the time-boxed *grants* (授权) by which somebody is let in. A hospital has
a type, a region of GB/T 2260, a grade (等级, such as 3A 三级甲等), a brand and beds. Its id is the
`tenant_id` of every tenant table.

Three rooms within: `identity` (who somebody is), `oversight` (what shows who did what) and `life` (a
hospital's way in, through and out). `rights` alone decides who may do what; `visit` asks it.
"""
