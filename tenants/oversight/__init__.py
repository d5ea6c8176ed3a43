"""What shows who did what: the audit trail (审计), statistics that were opened, support access, refusals."""
