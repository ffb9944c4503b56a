"""`python -m docs.generate`, from the repository's root."""

from docs.generate import render

for path, text in render().items():
    path.write_text(text)
    print(f"wrote {path}")
