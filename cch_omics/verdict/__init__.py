"""Who should teach whom: criteria, pilots, and the rule that decides."""
