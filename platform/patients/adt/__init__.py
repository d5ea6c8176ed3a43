"""What a hospital's system says of stays and visits, message by message (接口消息), brought to one form.

Three languages are read: HL7 v2 ADT, FHIR R4 bundles, and our own JSON. Each message becomes an `Event`; the
state of a visit is a function of the set of its events (`folding`). Pure rules: no session, no clock.
"""
