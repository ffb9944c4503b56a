"""`python -m docs.generate`, from the repository's root."""

from docs.generate import faults, render

for path, text in {**render(), faults.PAGE: faults.build()}.items():
    path.write_text(text)
    print(f"wrote {path}")
