"""Alarms: what is judged of a patient, who is told, and what they answered."""
