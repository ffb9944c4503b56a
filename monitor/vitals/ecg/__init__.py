"""Find the beats in one to three leads of many patients, and say how sure that is."""
